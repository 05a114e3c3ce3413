from __future__ import annotations

from collections.abc import Iterator

from scheduler.model import Distinct
from scheduler.placement.filters.base import Check, CountFilter, DomainFilter, Filter
from scheduler.placement.labels import NODE
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View


class AtMostFilter(CountFilter):
    """At most so many instances of the app on one node; with `distinct_nodes: required`, one."""

    name = "at_most"

    def __init__(self, state: State, app: str, most: int, name: str) -> None:
        self.state = state
        self.app = app
        self.most = _checked(most)
        self.name = name  # type: ignore[misc]  # distinct nodes are refused in their own name

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Filter]:  # type: ignore[override]
        if request.rules.distinct_nodes is Distinct.REQUIRED:
            yield cls(state, request.app, 1, "distinct_nodes")
        for limit in request.constraints.at_most:
            if limit.label == NODE:
                yield cls(state, request.app, limit.most, cls.name)
            else:
                yield AtMostPerValueFilter(state, request.app, limit.label, limit.most)

    def refuses(self, counts: Ints) -> Bools:
        refuses: Bools = counts >= self.most
        return refuses

    def checks(self, view: View) -> Iterator[Check]:
        own = view.count(self.app).copy()
        yield Check(
            self.name,
            NODE,
            self.passes(view),
            lambda n: f"{own[n]} of at most {self.most} instances of the app run here",
            lambda nodes: f"{self._already()} on {len(nodes)}",
            lambda nodes: f"{int(own[nodes].min()) + 1} instances of the app allowed on one node",
        )

    def _already(self) -> str:
        return "an instance of the app already" if self.most == 1 else f"{self.most} instances of the app already"


class AtMostPerValueFilter(DomainFilter):
    """At most so many instances of the app on the nodes with one value of a label; none where it is missing."""

    name = "at_most"

    def __init__(self, state: State, app: str, label: str, most: int) -> None:
        super().__init__(state)
        self.label = label
        self.app = app
        self.most = _checked(most)

    def allowed(self) -> Bools:
        allowed: Bools = self.state.counts.tally(self.app, self.label) < self.most
        allowed[-1] = False
        return allowed

    def checks(self, view: View) -> Iterator[Check]:
        column, tally = self.state.column(self.label), self.state.counts.tally(self.app, self.label).copy()

        def detail(n: int) -> str:
            if column.codes[n] == column.missing:
                return f"needs a label {self.label}, it has none"
            return f"{self.value(n)}: {tally[column.codes[n]]} of at most {self.most} instances of the app"

        yield Check(
            self.name,
            self.label,
            self.passes(view),
            detail,
            lambda nodes: f"{self.label} full or missing on {len(nodes)} (at most {self.most} a value)",
            self._remedy,
        )

    def _remedy(self, nodes: Ints) -> str:
        column = self.state.column(self.label)
        codes = column.codes[nodes]
        codes = codes[codes != column.missing]
        if not len(codes):
            return f"a label {self.label} on node {self.state.names[nodes[0]]}"
        fewest = int(self.state.counts.tally(self.app, self.label)[codes].min())
        return f"{fewest + 1} instances of the app allowed on one {self.label}"

    def watched(self) -> set[str]:
        return {self.app}


def _checked(most: int) -> int:
    if most < 1:
        raise ValueError(f"at most {most} instances are none at all; the least is 1")
    return most
