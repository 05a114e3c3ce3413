from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request, Taint
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


class TaintFilter(Filter):
    """Every taint of a node has to be tolerated, but for the soft ones."""

    name = "taints"
    fixed = True

    def __init__(self, state: State, request: Request) -> None:
        self.state = state
        self.tolerations = request.constraints.tolerations
        self.free = np.ones(state.size, np.bool_)
        for taint, nodes in state.taints().items():
            if not taint.soft and not self._tolerated(taint):
                self.free[nodes] = False

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        yield cls(state, request)

    def _tolerated(self, taint: Taint) -> bool:
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def passes(self, view: View) -> Bools:
        return view.pick(self.free)

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(
            self.name,
            "taints",
            self.passes(view),
            self._detail,
            lambda nodes: because("taints", nodes=len(nodes), taints=self._refused(int(nodes[0]))),
            lambda nodes: because("toleration", taints=self._refused(int(nodes[0]))),
        )

    def _detail(self, n: int) -> Reason:
        refused = self._refused(n)
        return because("not_tolerated", taints=refused) if refused else because("tolerated")

    def _refused(self, n: int) -> tuple[str, ...]:
        taints = [taint for taint in self.state.nodes[n].taints if not taint.soft and not self._tolerated(taint)]
        return tuple(f"{taint.key}={taint.value}" if taint.value else taint.key for taint in taints)
