"""Equal requests are one kind: what was found out about the nodes for one holds for the next.

A kind keeps a key per node, the weighted sum of its scores, or `NEVER`. Before it is used it catches up with the log:
only the nodes that changed since are looked at again. Constraints and scores over a label's values are applied to
values, not to nodes: the nodes lie sorted by value, the best of each stretch competes.
"""

from __future__ import annotations

import numpy as np

from scheduler.placement.devices import DeviceTable
from scheduler.placement.filters import FILTERS, DomainFilter, Filter
from scheduler.placement.profiles import Profile
from scheduler.placement.scores import SCORES, DomainScore, Score
from scheduler.placement.state import Bools, Ints, State
from scheduler.placement.values import DeviceRequest, Request
from scheduler.placement.view import View

NEVER = -(1 << 61)
FEASIBLE = -(1 << 60)  # keys above this belong to nodes that fit


class Kind:
    """All that is known about where the instances of equal requests may go."""

    def __init__(self, state: State, request: Request, profile: Profile) -> None:
        self.state = state
        self.request = request
        self.profile = profile
        self.view = View(state, request)
        self.need = self.view.need
        self.devices: tuple[tuple[DeviceTable, DeviceRequest], ...] = ()
        self._compile()

    def _compile(self) -> None:
        """Everything that follows from the fixed properties of the nodes."""
        state, request = self.state, self.request
        self.version = state.version
        self.filters: list[Filter] = [
            found for sort in FILTERS for found in sort.of(state, request) if found.name not in self.profile.without
        ]
        self.scores: list[tuple[int, Score]] = [
            (weight, score)
            for name, weight in self.profile.weights.items()
            if weight
            for score in SCORES[name].of(state, request)
        ]
        self.domain_filters = [f for f in self.filters if isinstance(f, DomainFilter)]
        self.domain_scores = [(weight, s) for weight, s in self.scores if isinstance(s, DomainScore)]
        self.node_filters = [f for f in self.filters if not f.fixed and not isinstance(f, DomainFilter)]
        self.devices = tuple(
            (state.devices[device.name], device)
            for device in request.constraints.devices
            if device.name in state.devices
        )
        self._compile_fixed()
        labels = dict.fromkeys([f.label for f in self.domain_filters] + [s.label for _, s in self.domain_scores])
        self.layout = state.layout(tuple(labels)) if labels else None
        self.repeats = (
            self.layout is None and all(f.repeats for f in self.filters) and all(s.repeats for _, s in self.scores)
        )
        self.keys = np.full(state.size, NEVER, np.int64)
        self.epoch = -1
        self.position = 0

    def _compile_fixed(self) -> None:
        view = self.view.at(np.arange(self.state.size))
        eligible = np.ones(self.state.size, np.bool_)
        for found in self.filters:
            if found.fixed:
                eligible &= found.passes(view)
        total = np.zeros(self.state.size, np.int64)
        self.node_scores: list[tuple[int, Score]] = []
        for weight, score in self.scores:
            fixed = score.fixed(view)
            if fixed is not None:
                total += weight * fixed
            if not isinstance(score, DomainScore) and type(score).points is not Score.points:
                self.node_scores.append((weight, score))
        self.fixed = np.where(eligible, total, NEVER)
        large = (self.state.allocatable >= self.need[:, None]).all(axis=0)
        for domain in self.domain_filters:
            domain.settle(eligible & large)

    def watched(self) -> set[str]:
        """The apps whose counts it reads."""
        found = {self.request.app}
        for constraint in self.filters:
            found |= constraint.watched()
        for _, score in self.scores:
            found |= score.watched()
        return found

    @property
    def bytes(self) -> int:
        """About how much it keeps."""
        return 3 * self.keys.nbytes

    def keys_at(self, nodes: Ints, extra: Ints | None = None) -> Ints:
        """The keys of these nodes, with `extra` more instances of the kind on each."""
        view = self.view.at(nodes, extra)
        total: Ints = self.fixed.take(nodes)
        for weight, score in self.node_scores:
            total += weight * score.points(view)  # type: ignore[operator]  # only those that have some are here
        passes: Bools | None = None
        for constraint in self.node_filters:
            passes = constraint.passes(view) if passes is None else passes & constraint.passes(view)
        if passes is not None:
            total = np.where(passes, total, NEVER)
        return total

    def refresh(self) -> None:
        """Catch up with what has changed on the nodes."""
        state = self.state
        if self.version != state.version:
            self._compile()
        if self.epoch == state.epoch and self.position == state.end:
            return
        changed = state.log[self.position : state.end]
        nodes = np.arange(state.size) if self.epoch != state.epoch or len(changed) > state.size else changed
        self.epoch = state.epoch
        self.position = state.end
        keys = self.keys_at(nodes)
        self.keys[nodes if self.layout is None else self.layout.position.take(nodes)] = keys

    def best(self) -> int:
        """The node for one more instance, or -1 when none fits. Of equally good nodes, the first by name."""
        self.refresh()
        keys = self.keys
        if not len(keys):
            return -1
        if self.layout is not None:
            return self._best_by_stretch()
        n = int(keys.argmax())
        return n if keys[n] > FEASIBLE else -1

    def _best_by_stretch(self) -> int:
        layout = self.layout
        assert layout is not None  # noqa: S101  # for mypy
        tops: Ints = np.maximum.reduceat(self.keys, layout.starts)
        for weight, score in self.domain_scores:
            tops = tops + weight * score.domain_points().take(layout.codes[score.label])
        for domain in self.domain_filters:
            tops = np.where(domain.allowed().take(layout.codes[domain.label]), tops, NEVER)
        first = int(tops.argmax())
        top = tops[first]
        if top <= FEASIBLE:
            return -1
        equal = np.flatnonzero(tops == top) if len(tops) > 1 else (first,)
        found = self.state.size
        for stretch in equal:
            start, end = layout.bounds[stretch], layout.bounds[stretch + 1]
            found = min(found, int(layout.order[start + int(self.keys[start:end].argmax())]))
        return found
