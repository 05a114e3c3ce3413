from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Self

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because

STATES = {
    "ready": because("node_ready"),
    "cordoned": because("node_cordoned"),
    "draining": because("node_draining"),
    "down": because("node_down"),
}


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

    def _detail(self, n: int) -> Reason:
        return because("node_is", state=STATES.get(self.nodes[n].state, self.nodes[n].state))

    def _failing(self, nodes: Ints) -> Reason:
        counts = Counter(self.nodes[n].state for n in nodes.tolist()).most_common()
        states = tuple(because("state_count", nodes=count, state=STATES.get(state, state)) for state, count in counts)
        return because("states", states=states)

    def _remedy(self, nodes: Ints) -> Reason:
        return because("again_ready", node=self.nodes[nodes[0]].name)
