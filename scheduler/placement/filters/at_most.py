from __future__ import annotations

from collections.abc import Iterator

from scheduler.model import Distinct
from scheduler.placement.filters.base import Check, CountFilter, DomainFilter, Filter
from scheduler.placement.labels import NODE
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


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
            lambda n: because("at_most_here", there=int(own[n]), most=self.most),
            lambda nodes: self._failing(len(nodes)),
            lambda nodes: because("more_allowed", most=int(own[nodes].min()) + 1, label=NODE),
        )

    def _failing(self, nodes: int) -> Reason:
        if self.most == 1:
            return because("one_already", nodes=nodes)
        return because("some_already", most=self.most, nodes=nodes)


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

        def detail(n: int) -> Reason:
            if column.codes[n] == column.missing:
                return because("label_needed", label=self.label)
            there = int(tally[column.codes[n]])
            return because("at_most_there", where=self.value(n), there=there, most=self.most)

        yield Check(
            self.name,
            self.label,
            self.passes(view),
            detail,
            lambda nodes: because("value_full", label=self.label, nodes=len(nodes), most=self.most),
            self._remedy,
        )

    def _remedy(self, nodes: Ints) -> Reason:
        column = self.state.column(self.label)
        codes = column.codes[nodes]
        codes = codes[codes != column.missing]
        if not len(codes):
            return because("label_on", label=self.label, node=self.state.names[nodes[0]])
        fewest = int(self.state.counts.tally(self.app, self.label)[codes].min())
        return because("more_allowed", most=fewest + 1, label=self.label)

    def watched(self) -> set[str]:
        return {self.app}


def _checked(most: int) -> int:
    if most < 1:
        raise ValueError(f"at most {most} instances are none at all; the least is 1")
    return most
