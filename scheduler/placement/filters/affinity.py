from __future__ import annotations

from collections.abc import Iterator

from scheduler.placement.filters.base import Check, CountFilter, DomainFilter, Filter
from scheduler.placement.labels import NODE
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Affinity, Bond, Request
from scheduler.placement.view import View


class AffinityFilter(CountFilter):
    """With, or apart from, another app's instances on the same node; or apart from the app's own."""

    name = "affinity"

    def __init__(self, affinity: Affinity) -> None:
        self.affinity = affinity
        self.app = affinity.app
        self.confines = affinity.bond is Bond.WITH

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Filter]:  # type: ignore[override]
        for affinity in request.constraints.affinities:
            alone = affinity.bond is Bond.WITH and affinity.app == request.app
            if affinity.label == NODE and not alone:
                yield cls(affinity)
            else:
                yield DomainAffinityFilter(state, request, affinity)

    def refuses(self, counts: Ints) -> Bools:
        refuses: Bools = counts == 0 if self.affinity.bond is Bond.WITH else counts > 0
        return refuses

    def checks(self, view: View) -> Iterator[Check]:
        counts = view.count(self.app).copy()
        yield Check(
            self.name,
            phrase(self.affinity),
            self.passes(view),
            lambda n: f"wants to be {phrase(self.affinity)}: {counts[n]} instances of it run here",
            lambda nodes: f"not {phrase(self.affinity)} on {len(nodes)}",
            lambda nodes: remedy(self.affinity, f"node {view.state.names[nodes[0]]}"),
        )


class DomainAffinityFilter(DomainFilter):
    """With, or apart from, an app's instances anywhere on the nodes with one value of a label.

    A node without the label is never with, always apart. An app that wants to be with itself starts anywhere.
    """

    name = "affinity"

    def __init__(self, state: State, request: Request, affinity: Affinity) -> None:
        super().__init__(state)
        self.label = affinity.label
        self.affinity = affinity
        self.itself = affinity.app == request.app
        self.confines = affinity.bond is Bond.WITH or not self.itself
        self.tally = state.counts.tally(affinity.app, affinity.label)

    def welcomes(self) -> bool:
        return self.affinity.bond is Bond.APART or self._starts()

    def _starts(self) -> bool:
        """Whether the app wants to be with itself and runs nowhere yet."""
        return self.itself and not self.tally[:-1].any()

    def allowed(self) -> Bools:
        allowed: Bools
        if self.affinity.bond is Bond.WITH:
            allowed = self.tally > 0
            if self._starts():
                allowed[:] = True
            allowed[-1] = False
        else:
            allowed = self.tally == 0
            allowed[-1] = True
        return allowed

    def checks(self, view: View) -> Iterator[Check]:
        column, tally = self.state.column(self.label), self.tally.copy()
        yield Check(
            self.name,
            phrase(self.affinity),
            self.passes(view),
            lambda n: f"wants to be {phrase(self.affinity)}: {self.value(n)}, {tally[column.codes[n]]} instances there",
            lambda nodes: f"not {phrase(self.affinity)} on {len(nodes)}",
            self._remedy,
        )

    def _remedy(self, nodes: Ints) -> str:
        if self.itself and self.affinity.bond is Bond.WITH:
            return ""  # it can go where it runs already: what it needs is room there
        column = self.state.column(self.label)
        labelled = nodes[column.codes[nodes] != column.missing]
        if len(labelled):
            return remedy(self.affinity, self.value(int(labelled[0])))
        node = f"node {self.state.names[nodes[0]]}"
        fitting = [value for value, fine in zip(column.values, self.allowed(), strict=True) if fine]
        if fitting:
            return f"{self.label} == {fitting[0]} on {node}"
        return f"a label {self.label} on {node} and {remedy(self.affinity, node)}"

    def watched(self) -> set[str]:
        return {self.affinity.app}


def phrase(affinity: Affinity) -> str:
    bond = "on the same" if affinity.bond is Bond.WITH else "on another"
    return f"{bond} {affinity.label} {'as' if affinity.bond is Bond.WITH else 'than'} {affinity.app}"


def remedy(affinity: Affinity, where: str) -> str:
    return f"{'an' if affinity.bond is Bond.WITH else 'no'} instance of {affinity.app} on {where}"
