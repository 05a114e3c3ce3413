from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request
from scheduler.placement.view import View


class VolumeFilter(Filter):
    """An instance with a local volume that exists goes where the volume is."""

    name = "volumes"
    fixed = True

    def __init__(self, state: State, volume: str) -> None:
        self.state = state
        self.volume = volume
        self.here = np.fromiter((volume in node.volumes for node in state.nodes), np.bool_, state.size)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        for volume in sorted(request.constraints.volumes):
            yield cls(state, volume)

    def passes(self, view: View) -> Bools:
        return view.pick(self.here)

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(
            self.name,
            self.volume,
            self.passes(view),
            lambda n: f"volume {self.volume} is {'here' if self.here[n] else f'not here but on {self._where()}'}",
            lambda nodes: f"volume {self.volume} not on {len(nodes)}",
            lambda nodes: f"volume {self.volume} moved to node {self.state.names[nodes[0]]}",
        )

    def _where(self) -> str:
        return ", ".join(self.state.names[n] for n in np.flatnonzero(self.here).tolist()) or "no node"
