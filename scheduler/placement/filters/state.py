from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Self

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View


class StateFilter(Filter):
    """Only nodes that are ready take new instances."""

    name = "state"
    fixed = True

    def __init__(self, state: State) -> None:
        self.nodes = state.nodes
        self.ready = state.ready()

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        yield cls(state)

    def passes(self, view: View) -> Bools:
        return view.pick(self.ready)

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(self.name, "state", self.passes(view), self._detail, self._failing, self._remedy)

    def _detail(self, n: int) -> str:
        return f"the node is {self.nodes[n].state}"

    def _failing(self, nodes: Ints) -> str:
        counts = Counter(self.nodes[n].state for n in nodes.tolist())
        return ", ".join(f"{count} {state}" for state, count in counts.most_common())

    def _remedy(self, nodes: Ints) -> str:
        return f"node {self.nodes[nodes[0]].name} ready again"
