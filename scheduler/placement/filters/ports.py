from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import because


class PortFilter(Filter):
    """A port of the host can be given to one instance only."""

    name = "ports"

    def __init__(self, state: State, port: int) -> None:
        self.state = state
        self.port = port

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        for port in sorted(request.constraints.ports):
            yield cls(state, port)

    def passes(self, view: View) -> Bools:
        open_: Bools = ~view.pick(self.state.taken(self.port))
        return open_ if view.extra is None else (open_ & (view.extra == 0)) | (view.extra < 0)

    def checks(self, view: View) -> Iterator[Check]:
        passes = self.passes(view)
        yield Check(
            self.name,
            str(self.port),
            passes,
            lambda n: because("port_free" if passes[n] else "port_taken", port=self.port),
            lambda nodes: because("ports_taken", port=self.port, nodes=len(nodes)),
            lambda nodes: because("port_freed", port=self.port, node=self.state.names[nodes[0]]),
        )
