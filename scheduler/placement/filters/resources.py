from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.units import RESOURCES, amount
from scheduler.placement.values import Request
from scheduler.placement.view import View, needed


class ResourcesFilter(Filter):
    """CPU, memory, disk and instances: what is allocatable less what is reserved has to hold one more."""

    name = "resources"
    slack_alone = True

    def __init__(self, state: State, request: Request) -> None:
        self.state = state
        self.need = needed(request)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        yield cls(state, request)

    def passes(self, view: View) -> Bools:
        passes: Bools = np.logical_and.reduce(view.room())
        return passes

    def possible(self, view: View) -> Bools:
        enough = view.pick(self.state.allocatable) >= self.need[:, None]
        possible: Bools = np.logical_and.reduce(enough)
        return possible

    def checks(self, view: View) -> Iterator[Check]:
        rows = view.room()
        for row, name in enumerate(RESOURCES):
            yield self._check(row, name, rows[row])

    def _check(self, row: int, name: str, passes: Bools) -> Check:
        free, of = self.state.free[row].copy(), self.state.allocatable[row]
        need = int(self.need[row])
        needs = amount(name, need)

        def detail(n: int) -> str:
            return f"{name}: needs {needs}, {amount(name, int(free[n]))} free of {amount(name, int(of[n]))}"

        def failing(nodes: Ints) -> str:
            most = amount(name, int(free[nodes].max()))
            return f"{name} short on {len(nodes)} (needs {needs}, at most {most} free)"

        def remedy(nodes: Ints) -> str:
            n = int(nodes[free[nodes].argmax()])
            less = need - int(free[n])
            what = f"{amount(name, less, up=True)} less {name}" if name != "instances" else f"{less} fewer instances"
            return f"{what} (on node {self.state.names[n]})"

        return Check(self.name, name, passes, detail, failing, remedy)
