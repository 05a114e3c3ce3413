"""Some nodes as one request sees them, before and while several of its instances are placed at once."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.units import RESOURCES
from scheduler.placement.values import Request

Value = TypeVar("Value", np.int64, np.bool_)
_UNASKED = -(1 << 60)  # below whatever may be free: what is not asked for never stands in the way


class View:
    """`nodes`, each as it would be with `extra` more instances of the request on it (None: as it is)."""

    __slots__ = ("_threshold", "all", "extra", "need", "nodes", "request", "state")

    def __init__(self, state: State, request: Request) -> None:
        self.state = state
        self.request = request
        self.need = needed(request)
        self._threshold = np.where(self.need > 0, self.need, _UNASKED)[:, None]
        self.nodes: Ints = state.everyone
        self.all = True
        self.extra: Ints | None = None

    def at(self, nodes: Ints, extra: Ints | None = None) -> View:
        """This view, turned to other nodes."""
        self.nodes = nodes
        self.all = nodes is self.state.everyone
        self.extra = extra
        return self

    def pick(self, values: NDArray[Value]) -> NDArray[Value]:
        """What each of the nodes has of values that all nodes have, in the last dimension; not to be written to."""
        return values if self.all else values.take(self.nodes, -1)

    def free(self) -> Ints:
        """What is free, a row a resource."""
        free = self.pick(self.state.free)
        return free if self.extra is None else free - self.need[:, None] * self.extra

    def room(self) -> Bools:
        """Whether one more instance fits, a row a resource."""
        return self.free() >= self._threshold

    def slack(self) -> Ints:
        """The mean share of CPU and memory that is free, in `FULL`ths."""
        if self.extra is None:
            return self.pick(self.state.slack)
        free = self.free()
        return self.state.mean_share(free[0], free[1], self.nodes, self.state.devices_left(self.nodes))

    def count(self, app: str) -> Ints:
        """How many instances of the app each node has."""
        counts = self.pick(self.state.counts.watch(app))
        return counts + self.extra if self.extra is not None and app == self.request.app else counts


def needed(request: Request) -> Ints:
    """What one instance takes, in the order of `RESOURCES`; it always counts as one instance at least."""
    need = np.array([getattr(request.resources, name) for name in RESOURCES], np.int64)
    if (need < 0).any():
        raise ValueError("resources cannot be negative")
    need[-1] = max(need[-1], 1)
    return need
