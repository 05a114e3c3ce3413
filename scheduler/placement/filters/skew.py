from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, DomainFilter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request
from scheduler.placement.view import View

_FAR = 1 << 40  # more than any count


class SkewFilter(DomainFilter):
    """Hard spread over a label: no value may have more than `most` instances above the emptiest value.

    A value counts when some node with it is ready, passes the request's fixed constraints and is large enough for
    one instance: a value with no instance yet counts as zero, a zone that is down does not hold up the others.
    """

    name = "skew"

    def __init__(self, state: State, app: str, label: str, most: int) -> None:
        super().__init__(state)
        if most < 1:
            raise ValueError(f"the skew over {label} is at least 1, not {most}")
        self.app = app
        self.label = label
        self.most = most
        self.tally = state.tally(app, label)
        self.offset = np.zeros(len(self.tally), np.int64)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        for skew in request.constraints.skews:
            yield cls(state, request.app, skew.label, skew.most)

    def settle(self, eligible: Bools) -> None:
        self.offset[:] = _FAR
        self.offset[self.state.column(self.label).codes[eligible]] = 0
        self.offset[-1] = _FAR

    def allowed(self) -> Bools:
        counts = self.tally + self.offset
        allowed: Bools = counts < min(int(counts[counts.argmin()]) + self.most, _FAR)
        return allowed

    def checks(self, view: View) -> Iterator[Check]:
        column, tally = self.state.column(self.label), self.tally.copy()
        fewest = min((int(t) for t, off in zip(tally, self.offset, strict=True) if not off), default=0)

        def detail(n: int) -> str:
            if column.codes[n] == column.missing:
                return f"needs a label {self.label}, it has none"
            has = tally[column.codes[n]]
            return f"{self.value(n)} has {has} instances, the emptiest {fewest}; skew at most {self.most}"

        yield Check(
            self.name,
            self.label,
            self.passes(view),
            detail,
            lambda nodes: f"skew over {self.label} above {self.most} on {len(nodes)}",
            lambda nodes: f"room on the {self.label} that has fewest instances, or a skew above {self.most}",
        )

    def watched(self) -> set[str]:
        return {self.app}
