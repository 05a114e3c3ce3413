from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.labels import NODE, Expression, parse
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


class LabelFilter(Filter):
    """An expression of `require`."""

    name = "labels"
    fixed = True

    def __init__(self, state: State, expression: Expression) -> None:
        self.state = state
        self.expression = expression

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        for text in request.rules.require:
            yield cls(state, parse(text))

    def passes(self, view: View) -> Bools:
        return view.pick(self.state.mask(self.expression))

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(self.name, str(self.expression), self.passes(view), self._detail, self._failing, self._remedy)

    def _detail(self, n: int) -> Reason:
        label = self.expression.label
        column = self.state.column(label)
        value = column.values[column.codes[n]]
        expression = str(self.expression)
        if value is None:
            return because("label_lacks", expression=expression, label=label)
        return because("label_is", expression=expression, label=label, value=value)

    def _failing(self, nodes: Ints) -> Reason:
        return because("label_missing", expression=str(self.expression), nodes=len(nodes))

    def _remedy(self, nodes: Ints) -> Reason:
        expression = str(self.expression)
        if self.expression.label == NODE:  # a node's name is not changed
            return because("expression_dropped", expression=expression)
        return because("expression_on", expression=expression, node=self.state.names[nodes[0]])
