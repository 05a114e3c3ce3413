"""What a node would need that joins, for one more instance to fit: its labels, its name, its devices, its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.placement.filters.base import DomainFilter
from scheduler.placement.filters.devices import wanted_in_words
from scheduler.placement.filters.labels import LabelFilter
from scheduler.placement.filters.names import NameFilter
from scheduler.placement.filters.volumes import VolumeFilter
from scheduler.placement.kind import Kind
from scheduler.placement.labels import NODE, Expression, Operator
from scheduler.placement.state import State
from scheduler.placement.units import RESOURCES, amount
from scheduler.placement.values import Bond
from scheduler.reasons import Reason, because


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An empty node without taints that would take one more instance."""

    name: str  # empty: any
    labels: dict[str, str]  # all that matter
    needs: tuple[str | Reason, ...]

    def reason(self) -> Reason:
        return because("one_more_node_with", needs=self.needs) if self.needs else because("one_more_node")


def newcomer(kind: Kind) -> Newcomer | None:
    """The least that a node has to bring; None when no node that joins would help."""
    if any(isinstance(constraint, NameFilter | VolumeFilter) for constraint in kind.filters) or _wants_neighbours(kind):
        return None
    expressions = [constraint.expression for constraint in kind.filters if isinstance(constraint, LabelFilter)]
    labels: dict[str, str] = {}
    needs: list[str | Reason] = [str(expression) for expression in expressions]
    for label in dict.fromkeys([one.label for one in expressions] + [one.label for one in kind.domain_filters]):
        asked = [expression for expression in expressions if expression.label == label]
        rules = [constraint for constraint in kind.domain_filters if constraint.label == label]
        value, known = next(_values(kind.state, label, asked, rules), (None, None))
        if known is None:
            return None
        if value is not None:
            labels[label] = value
        if rules and label != NODE and not any(one.operator is Operator.EQUAL for one in asked):
            needs.append(f"{label} == {value}" if known else because("own_value", label=label))
    needs += [wanted_in_words(wanted) for wanted in kind.request.constraints.devices]
    needs += [
        because("room_free", amount=amount(name, need), resource=because(name))
        for name, need in zip(RESOURCES, kind.amounts, strict=True)
        if need and name != "instances"
    ]
    return Newcomer(labels.pop(NODE, ""), labels, tuple(needs))


def _wants_neighbours(kind: Kind) -> bool:
    """Whether the request wants to share its node with another app, which no new node has."""
    request = kind.request
    affinities = [] if "affinity" in kind.profile.without else request.constraints.affinities
    return any(one.bond is Bond.WITH and one.label == NODE and one.app != request.app for one in affinities)


def _values(
    state: State, label: str, asked: Sequence[Expression], rules: Sequence[DomainFilter]
) -> Iterator[tuple[str | None, bool]]:
    """Values of the label that would do, and whether other nodes have them; None: no such label."""
    column = state.column(label)
    if label != NODE:
        allowed = np.logical_and.reduce([rule.allowed() for rule in rules] or [np.ones(len(column.values), np.bool_)])
        for value, fine in zip(column.values, allowed.tolist(), strict=True):
            if fine and all(expression.holds(value) for expression in asked):
                yield value, value is not None
    if all(rule.welcomes() for rule in rules):
        for value in _new_values(label, asked):
            if value not in column.values and all(expression.holds(value) for expression in asked):
                yield value, False


def _new_values(label: str, asked: Sequence[Expression]) -> Iterator[str]:
    """Values of which one satisfies the expressions, if any value does that no node has."""
    for expression in asked:
        if expression.operator in (Operator.GREATER, Operator.LESS):
            bound = int(expression.values[0])
            yield str(bound + 1 if expression.operator is Operator.GREATER else bound - 1)
        yield from expression.values
    yield f"new-{label}"
