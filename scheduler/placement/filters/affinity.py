from __future__ import annotations

from collections.abc import Iterator

from scheduler.placement.filters.base import Check, CountFilter, DomainFilter, Filter
from scheduler.placement.labels import NODE
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Affinity, Bond, Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


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
        counts, bond = view.count(self.app).copy(), phrase(self.affinity)
        yield Check(
            self.name,
            str(bond),
            self.passes(view),
            lambda n: because("bond_here", bond=bond, there=int(counts[n])),
            lambda nodes: because("bond_broken", bond=bond, nodes=len(nodes)),
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
        codes, tally, bond = self.state.column(self.label).codes, self.tally.copy(), phrase(self.affinity)
        yield Check(
            self.name,
            str(bond),
            self.passes(view),
            lambda n: because("bond_there", bond=bond, where=self.value(n), there=int(tally[codes[n]])),
            lambda nodes: because("bond_broken", bond=bond, nodes=len(nodes)),
            self._remedy,
        )

    def _remedy(self, nodes: Ints) -> Reason | None:
        if self.itself and self.affinity.bond is Bond.WITH:
            return None  # it can go where it runs already: what it needs is room there
        column = self.state.column(self.label)
        labelled = nodes[column.codes[nodes] != column.missing]
        if len(labelled):
            return remedy(self.affinity, self.value(int(labelled[0])))
        node = self.state.names[nodes[0]]
        fitting = [value for value, fine in zip(column.values, self.allowed(), strict=True) if fine]
        if fitting:
            return because("expression_on", expression=f"{self.label} == {fitting[0]}", node=node)
        label = because("label_on", label=self.label, node=node)
        return because("both", first=label, rest=remedy(self.affinity, f"node {node}"))

    def watched(self) -> set[str]:
        return {self.affinity.app}


def phrase(affinity: Affinity) -> Reason:
    code = "bond_with" if affinity.bond is Bond.WITH else "bond_apart"
    return because(code, label=affinity.label, app=affinity.app)


def remedy(affinity: Affinity, where: str | Reason) -> Reason:
    code = "bond_instance" if affinity.bond is Bond.WITH else "bond_no_instance"
    return because(code, app=affinity.app, where=where)
