from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import because


class NameFilter(Filter):
    """Only nodes of the names that the request lists."""

    name = "nodes"
    fixed = True

    def __init__(self, state: State, names: frozenset[str]) -> None:
        self.state = state
        self.names = sorted(names)
        self.named = np.zeros(state.size, np.bool_)
        self.named[[state.index[name] for name in names if name in state.index]] = True

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        if request.constraints.nodes:
            yield cls(state, request.constraints.nodes)

    def passes(self, view: View) -> Bools:
        return view.pick(self.named)

    def checks(self, view: View) -> Iterator[Check]:
        wanted = tuple(self.names)
        yield Check(
            self.name,
            ", ".join(wanted),
            self.passes(view),
            lambda n: because("other_node", nodes=wanted, node=self.state.names[n]),
            lambda nodes: because("other_nodes", nodes=len(nodes), names=wanted),
            lambda nodes: because("node_allowed", node=self.state.names[nodes[0]]),
        )
