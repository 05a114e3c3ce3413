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
from scheduler.reasons import Reason, because, rounded_up


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
        resource, needs = because(name), amount(name, need)

        def detail(n: int) -> Reason:
            there, in_all = amount(name, int(free[n])), amount(name, int(of[n]))
            return because("resource_free", resource=resource, needs=needs, free=there, of=in_all)

        def failing(nodes: Ints) -> Reason:
            most = amount(name, int(free[nodes].max()))
            return because("resource_short", resource=resource, nodes=len(nodes), needs=needs, most=most)

        def remedy(nodes: Ints) -> Reason:
            n = int(nodes[free[nodes].argmax()])
            less, node = need - int(free[n]), self.state.names[n]
            if name == "instances":
                return because("fewer_instances", instances=less, node=node)
            enough = less if name == "cpu" else rounded_up(less)
            return because("less", needs=amount(name, enough), resource=resource, node=node)

        return Check(self.name, name, passes, detail, failing, remedy)
