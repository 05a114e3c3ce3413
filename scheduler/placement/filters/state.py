from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import Bools, Ints, State
from scheduler.placement.values import Request
from scheduler.placement.view import View

READY = "ready"


class StateFilter(Filter):
    """Only nodes that are ready take new instances."""

    name = "state"
    fixed = True

    def __init__(self, state: State) -> None:
        self.states = [node.state for node in state.nodes]
        self.names = state.names
        self.ready = np.fromiter((s == READY for s in self.states), np.bool_, state.size)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        yield cls(state)

    def passes(self, view: View) -> Bools:
        return self.ready.take(view.nodes)

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(self.name, "state", self.passes(view), self._detail, self._failing, self._remedy)

    def _detail(self, n: int) -> str:
        return f"the node is {self.states[n]}"

    def _failing(self, nodes: Ints) -> str:
        counts = Counter(self.states[n] for n in nodes.tolist())
        return ", ".join(f"{count} {state}" for state, count in counts.most_common())

    def _remedy(self, nodes: Ints) -> str:
        return f"node {self.names[nodes[0]]} ready again"
