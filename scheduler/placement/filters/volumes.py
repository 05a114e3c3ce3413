from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


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
            self._detail,
            lambda nodes: because("volume_missing", volume=self.volume, nodes=len(nodes)),
            lambda nodes: because("volume_moved", volume=self.volume, node=self.state.names[nodes[0]]),
        )

    def _detail(self, n: int) -> Reason:
        if self.here[n]:
            return because("volume_here", volume=self.volume)
        nodes = tuple(self.state.names[n] for n in np.flatnonzero(self.here).tolist())
        if not nodes:
            return because("volume_nowhere", volume=self.volume)
        return because("volume_elsewhere", volume=self.volume, nodes=nodes)
