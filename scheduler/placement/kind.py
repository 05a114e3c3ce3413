"""Equal requests are one kind: what was found out about the nodes for one holds for the next.

Most kinds find their best node in the cells that all share (see `cells.py`). Others keep a key per node, and catch up
with the log before they use them: only the nodes that changed since are looked at again. Constraints and scores over a
label's values are applied to values, not to nodes: the nodes lie sorted by value, the best of each stretch competes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scheduler.placement.cells import UNKNOWN, Search
from scheduler.placement.devices import DeviceTable
from scheduler.placement.filters import FILTERS, CountFilter, DomainFilter, Filter
from scheduler.placement.keys import FEASIBLE, NEVER, REFUSED
from scheduler.placement.profiles import Profile
from scheduler.placement.properties import Layout
from scheduler.placement.scores import SCORES, CountScore, DomainScore, Score
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import DeviceRequest, Request
from scheduler.placement.view import View
from scheduler.placement.workload import Need

Term = Callable[[Ints], Ints]  # from an app's counts on nodes to what that adds to their keys
_SMALL = 20_000  # bytes of a kind without keys
_MISSES = 4  # searches in a row without an answer, after which
_PAUSE = 256  # so many requests use the keys without one
_TABLE = 64  # counts for which a term is looked up


class Kind:
    """All that is known about where the instances of equal requests may go."""

    def __init__(self, state: State, request: Request, profile: Profile) -> None:
        self.state = state
        self.request = request
        self.profile = profile
        self.view = View(state, request)
        self.need = self.view.need
        self.typical = Need.of(request)
        self.amounts: list[int] = self.need.tolist()
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
        self.domain_scores = [(weight * state.ranks, s) for weight, s in self.scores if isinstance(s, DomainScore)]
        self.node_filters = [f for f in self.filters if not f.fixed and not isinstance(f, DomainFilter | CountFilter)]
        self.devices = tuple(
            (state.devices[device.name], device)
            for device in request.constraints.devices
            if device.name in state.devices
        )
        self.node_scores = [
            (weight * state.ranks, score)
            for weight, score in self.scores
            if not isinstance(score, DomainScore | CountScore) and type(score).points is not Score.points
        ]
        labels = dict.fromkeys([f.label for f in self.domain_filters] + [s.label for _, s in self.domain_scores])
        self.labels = tuple(labels)
        self.foresees = all(f.repeats for f in self.filters) and all(s.repeats for _, s in self.scores)
        self.repeats = self.foresees and not labels
        self.images = {image for _, score in self.scores if (image := score.image())}
        for image in self.images:
            state.listen_to_image(image, self)
        self._compile_counts()
        self._settle_domains()
        self.keys: Ints | None = None
        self.search: Search | None = None
        self.missed = self.pause = 0
        self.learns = any(score.learns for _, score in self.scores)
        self.guess = -1
        self.searchable = (
            all(f.slack_alone for f in self.node_filters)
            and len(self.node_scores) == 1
            and self.node_scores[0][1].slack_sign != 0
        )

    def _compile_counts(self) -> None:
        """What follows from counts, by app."""
        terms: dict[str, list[Term]] = {}
        for found in self.filters:
            if isinstance(found, CountFilter):
                terms.setdefault(found.app, []).append(_refusal(found))
        for weight, score in self.scores:
            if isinstance(score, CountScore):
                terms.setdefault(score.app, []).append(_weighted(weight * self.state.ranks, score))
        self.terms: dict[str, Term] = {app: _sum(of) for app, of in terms.items()}

    def _eligible(self) -> Bools:
        view = self.view.at(self.state.everyone)
        eligible = np.ones(self.state.size, np.bool_)
        for found in self.filters:
            if found.fixed:
                eligible &= found.passes(view)
        return eligible

    def _settle_domains(self) -> None:
        settling: list[DomainFilter | DomainScore] = [*self.domain_filters, *(score for _, score in self.domain_scores)]
        if not settling:
            return
        view = self.view.at(self.state.everyone)
        eligible = np.ones(self.state.size, np.bool_)
        for found in self.filters:
            possible = found.possible(view)
            if possible is not None:
                eligible &= possible
        confining = [found for found in self.filters if found.confines]
        for domain in settling:
            domain.settle(eligible, confining)

    def fixed_keys(self) -> Ints:
        """The part of all nodes' keys that follows from fixed properties alone, without their ranks."""
        eligible = self._eligible()
        view = self.view.at(self.state.everyone)
        total = np.zeros(self.state.size, np.int64)
        for weight, score in self.scores:
            fixed = score.fixed(view)
            if fixed is not None:
                total += weight * fixed
        return np.where(eligible, total * self.state.ranks, NEVER)

    def _open_keys(self) -> Ints:
        """Begin to keep keys; `settled` is the part of them that is not looked at again when a node changes."""
        state = self.state
        self.settled = self.fixed_keys() + np.arange(state.size, 0, -1)
        self._tables = {app: term(np.arange(_TABLE)).tolist() for app, term in self.terms.items()}
        for app, term in self.terms.items():
            self.settled += term(state.counts.watch(app))
        state.counts.listen(self, set(self.terms))
        self.layout = state.layout(self.labels) if self.labels else None
        self.keys = np.full(state.size, NEVER, np.int64)
        self.epoch = -1
        self.position = 0
        return self.keys

    def count_changed(self, app: str, n: int, before: int, after: int) -> None:
        """Hear that node `n` has another number of the app's instances."""
        if 0 <= before < _TABLE and 0 <= after < _TABLE:
            table = self._tables[app]
            self.settled[n] += table[after] - table[before]
        else:
            self.counts_changed(app, np.array([n]), np.array([before]), np.array([after]))

    def counts_changed(self, app: str, nodes: Ints, before: Ints, after: Ints) -> None:
        term = self.terms[app]
        self.settled[nodes] += term(after) - term(before)

    def images_changed(self) -> None:
        """Hear that a node got one of its images or lost it."""
        self.version = 0

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
        return _SMALL if self.keys is None else _SMALL + 4 * self.keys.nbytes

    def keys_at(self, nodes: Ints, extra: Ints | None = None) -> Ints:
        """The keys of these nodes, with `extra` more instances of the kind on each."""
        view = self.view.at(nodes, extra)
        total: Ints = self.settled.take(nodes)
        for weight, score in self.node_scores:
            total += weight * score.points(view)  # type: ignore[operator]  # only those that have some are here
        if extra is not None and (term := self.terms.get(self.request.app)) is not None:
            there = self.state.counts.watch(self.request.app).take(nodes)
            total += term(there + extra) - term(there)
        passes: Bools | None = None
        for constraint in self.node_filters:
            passes = constraint.passes(view) if passes is None else passes & constraint.passes(view)
        if passes is not None:
            total = np.where(passes, total, NEVER)
        return total

    def all_keys(self) -> Ints:
        """Every node's key as it is now, in the order of `layout` when there is one."""
        state = self.state
        self.check_version()
        keys = self.keys if self.keys is not None else self._open_keys()
        if self.learns and self.guess != state.workload.version:
            self.guess = state.workload.version
            self.epoch = -1
        if self.epoch == state.epoch and self.position == state.end:
            return keys
        changed = state.log[self.position : state.end]
        nodes = state.everyone if self.epoch != state.epoch or len(changed) > state.size else changed
        self.epoch = state.epoch
        self.position = state.end
        keys[nodes if self.layout is None else self.layout.position.take(nodes)] = self.keys_at(nodes)
        return keys

    def check_version(self) -> None:
        """Begin anew when fixed properties of some node have changed."""
        if self.version != self.state.version:
            self._compile()

    def best(self) -> int:
        """The node for one more instance, or -1 when none fits. Of equally good nodes, the first by name."""
        if self.version != self.state.version:
            self._compile()
        if self.pause:
            self.pause -= 1
        elif self.searchable:
            search = self.search
            if search is None or search.cells is not self.state.cells:
                search = self._open_search()
            if search is not None:
                found = search.best()
                if found != UNKNOWN:
                    self.missed = 0
                    return found
                self.missed += 1
                if self.missed == _MISSES:
                    self.pause = _PAUSE
        return self._best_by_keys()

    def key_of(self, n: int) -> int:
        """One node's key, constraints and scores over labels included."""
        self.all_keys()
        key = int(self.keys_at(np.array([n]))[0])
        for domain in self.domain_filters:
            if not domain.allowed()[self.state.column(domain.label).codes[n]]:
                return NEVER
        for weight, score in self.domain_scores:
            key += weight * int(score.domain_points()[self.state.column(score.label).codes[n]])
        return key

    def _open_search(self) -> Search | None:
        """Begin to look at cells; None, once and for all, when that does not suit the kind."""
        ((weight, score),) = self.node_scores
        search = Search(self, self.state.open_cells(), score.slack_sign, weight // self.state.ranks)
        self.searchable = search.sound and self.state.size > 0 and search.prepare()
        self.search = search if self.searchable else None
        return self.search

    def _best_by_keys(self) -> int:
        keys = self.all_keys()
        if not len(keys):
            return -1
        if self.layout is not None:
            return self._best_by_stretch(keys, self.layout)
        n = int(keys.argmax())
        return n if keys[n] > FEASIBLE else -1

    def domain_terms(self, layout: Layout) -> Ints:
        """For each stretch, what the scores and filters over labels add to its nodes' keys."""
        terms = np.zeros(len(layout.starts), np.int64)
        for weight, score in self.domain_scores:
            terms += weight * score.domain_points().take(layout.codes[score.label])
        for domain in self.domain_filters:
            terms = np.where(domain.allowed().take(layout.codes[domain.label]), terms, REFUSED)
        return terms

    def _best_by_stretch(self, keys: Ints, layout: Layout) -> int:
        tops: Ints = np.maximum.reduceat(keys, layout.starts) + self.domain_terms(layout)
        stretch = tops.argmax()
        if tops[stretch] <= FEASIBLE:
            return -1
        start, end = layout.bounds[stretch], layout.bounds[stretch + 1]
        return int(layout.order[start + keys[start:end].argmax()])


def _refusal(constraint: CountFilter) -> Term:
    return lambda counts: constraint.refuses(counts) * np.int64(REFUSED)


def _weighted(weight: int, score: CountScore) -> Term:
    return lambda counts: weight * score.count_points(counts)


def _sum(terms: list[Term]) -> Term:
    if len(terms) == 1:
        return terms[0]
    return lambda counts: np.sum([term(counts) for term in terms], axis=0)
