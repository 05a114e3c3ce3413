from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, DomainFilter, Filter
from scheduler.placement.filters.reachable import Reachable
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because

_FAR = 1 << 40  # more than any count


class SkewFilter(DomainFilter):
    """Hard spread over a label: no value may have more than `most` instances above the emptiest value.

    A value counts when some node with it could take an instance were nothing of the app there and nothing reserved: one
    without an instance counts as zero, however full it is, yet a zone that is down does not hold up the others.
    """

    name = "skew"

    def __init__(self, state: State, app: str, label: str, most: int) -> None:
        super().__init__(state)
        if most < 1:
            raise ValueError(f"the skew over {label} is at least 1, not {most}")
        self.app = app
        self.label = label
        self.most = most
        self.tally = state.counts.tally(app, label)
        self.offset = np.zeros(len(self.tally), np.int64)
        self.reachable: Reachable | None = None

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        for skew in request.constraints.skews:
            yield cls(state, request.app, skew.label, skew.most)

    def settle(self, eligible: Bools, confining: Sequence[Filter]) -> None:
        self.reachable = Reachable(self.state, self.label, eligible, confining) if confining else None
        self.offset[:] = _FAR
        self.offset[self.state.column(self.label).codes[eligible]] = 0
        self.offset[-1] = _FAR

    def _counts(self) -> Ints:
        """The instances on each value that counts, far more on the others."""
        if self.reachable is not None:
            self.offset = np.where(self.reachable.values(), 0, _FAR)
        counts: Ints = self.tally + self.offset
        return counts

    def allowed(self) -> Bools:
        counts = self._counts()
        allowed: Bools = counts < min(int(counts[counts.argmin()]) + self.most, _FAR)
        return allowed

    def checks(self, view: View) -> Iterator[Check]:
        column, tally, counts = self.state.column(self.label), self.tally.copy(), self._counts()
        fewest = int(counts.min())

        def detail(n: int) -> Reason:
            code = column.codes[n]
            if code == column.missing:
                return because("label_needed", label=self.label)
            if counts[code] >= _FAR:
                return because("skew_apart", where=self.value(n))
            there = int(tally[code])
            return because("skew_there", where=self.value(n), there=there, fewest=fewest, most=self.most)

        yield Check(
            self.name,
            self.label,
            self.passes(view),
            detail,
            lambda nodes: because("skewed", label=self.label, most=self.most, nodes=len(nodes)),
            lambda nodes: self._remedy(tally[column.codes[nodes]], fewest, nodes),
        )

    def _remedy(self, there: Ints, fewest: int, nodes: Ints) -> Reason | None:
        """None when nothing but what keeps the nodes from taking any instance keeps them from being spread over."""
        labelled = self.state.column(self.label).codes[nodes] != self.state.column(self.label).missing
        if not labelled.any():
            return because("label_on", label=self.label, node=self.state.names[nodes[0]])
        least = int(there[labelled].min())
        needed = least + 1 - min(fewest, least)
        return because("skew_allowed", most=needed, label=self.label) if needed > self.most else None

    def watched(self) -> set[str]:
        return {self.app}
