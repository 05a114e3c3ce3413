from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.labels import NODE, Expression, parse
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View


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

    def _detail(self, n: int) -> str:
        label = self.expression.label
        column = self.state.column(label)
        value = column.values[column.codes[n]]
        has = f"it has no label {label}" if value is None else f"{label} is {value}"
        return f"needs {self.expression}, {has}"

    def _failing(self, nodes: Ints) -> str:
        return f"label {self.expression} missing on {len(nodes)}"

    def _remedy(self, nodes: Ints) -> str:
        if self.expression.label == NODE:  # a node's name is not changed
            return f"{self.expression} no longer required"
        return f"{self.expression} on node {self.state.names[nodes[0]]}"
