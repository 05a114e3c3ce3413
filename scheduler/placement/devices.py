"""Devices of one name over all nodes, and who gets which.

A share goes to the fitting device with the least left, so that whole devices stay whole; of several equal ones the
first. Several devices, and whole ones, go in the order of their positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.placement.values import WHOLE, DeviceRequest, Node

_FAR = 1 << 30
_NONE = -1  # no device there


class DeviceTable:
    """`free[node, k]` thousandths of each node's devices of one name; `model[node, k]` a position in `models`."""

    def __init__(self, nodes: Sequence[Node], name: str) -> None:
        self.name = name
        self.positions = [[k for k, device in enumerate(node.devices) if device.name == name] for node in nodes]
        width = max((len(found) for found in self.positions), default=0)
        self.free = np.full((len(nodes), width), _NONE, np.int64)
        self.model = np.zeros((len(nodes), width), np.int64)
        self.total = np.array([WHOLE * len(found) for found in self.positions])
        self.models: list[str] = []
        for n, node in enumerate(nodes):
            self.update(n, node)

    def update(self, n: int, node: Node) -> None:
        """Take over node `n`'s devices; their number has to be what it was."""
        for k, position in enumerate(self.positions[n][: len(node.devices)]):
            device = node.devices[position]
            if device.model not in self.models:
                self.models.append(device.model)
            self.free[n, k] = device.free
            self.model[n, k] = self.models.index(device.model)

    def usable(self, request: DeviceRequest, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is free of each device that the request may have; -1 of those of other models."""
        free = self.free.take(nodes, 0)
        return free if not request.models else np.where(self.of_models(request.models, nodes), free, _NONE)

    def of_models(self, models: frozenset[str], nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the nodes' devices are of one of these models; with none given, all."""
        if not models:
            return np.ones((len(nodes), self.free.shape[1]), np.bool_)
        allowed = np.array([model in models for model in self.models] or [False])
        return allowed[self.model.take(nodes, 0)]

    def fits(self, request: DeviceRequest, nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
        fitting: NDArray[np.bool_] = (self.usable(request, nodes) >= request.share).sum(axis=1) >= request.count
        return fitting

    def could_fit(self, request: DeviceRequest, nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the request would fit if all devices were free."""
        of_models = self.of_models(request.models, nodes) & (self.free.take(nodes, 0) != _NONE)
        could: NDArray[np.bool_] = of_models.sum(axis=1) >= request.count
        return could

    def choose(self, request: DeviceRequest, n: int) -> list[int]:
        """Which of node `n`'s devices the request gets; the request is known to fit."""
        free = self.usable(request, np.array([n]))[0].tolist()
        fitting = sorted((left, k) for k, left in enumerate(free) if left >= request.share)
        return sorted(k for _, k in fitting[: request.count])

    def at(self, n: int, positions: tuple[int, ...]) -> list[int]:
        """The columns of those of node `n`'s devices that have this name."""
        return [k for k, position in enumerate(self.positions[n]) if position in positions]

    def after(self, request: DeviceRequest, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """What would be left of each node's devices; of nodes where the request does not fit, anything."""
        usable = self.usable(request, nodes)
        rows = np.arange(len(nodes))
        left = np.maximum(self.free.take(nodes, 0), 0)
        unfit = np.where(usable >= request.share, usable, _FAR)
        order = np.argsort(unfit, axis=1, kind="stable")[:, : request.count]
        for column in range(order.shape[1]):
            left[rows, order[:, column]] -= request.share
        return np.maximum(left, 0)

    def take(self, n: int, chosen: list[int], share: int) -> None:
        self.free[n, chosen] -= share

    def give_back(self, n: int, chosen: list[int], share: int) -> None:
        self.free[n, chosen] += share

    def take_over(self, before: DeviceTable, changed: int) -> None:
        """What is free according to an older table, except on the node that has changed."""
        width = min(self.free.shape[1], before.free.shape[1])
        kept = np.arange(len(self.free)) != changed
        self.free[kept, :width] = before.free[kept, :width]
