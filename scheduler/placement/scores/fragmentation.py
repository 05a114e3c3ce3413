from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.devices import DeviceTable
from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL, State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import WHOLE, DeviceRequest, Request
from scheduler.placement.view import View
from scheduler.placement.workload import CERTAIN, Guess

_AT_ONCE = 1 << 17  # figures that are worked on in one go: they stay in the processor's cache
_MIB = 20  # bits: memory is compared in MiB, so that products fit


class FragmentationScore(Score):
    """Takes `FULL` points for each device that the placement makes useless to the typical instance.

    What is free of a device is useless to an instance that does not fit on the node at all, or that needs more than
    that; and to all instances when the node's CPU or memory would run out before its devices, were the node filled with
    the typical mix. The mean of what is useless, over the needs that were typical so far, is the node's
    fragmentation; the score is by how much an instance would raise it.

    The first half is from Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
    Gradient Descent", USENIX ATC 2023. Here needs are learnt as they arrive, and count half by how frequent they are,
    half by how many devices they want in all: large ones are rare, and refused early when nodes are not kept whole for
    them. The second half sees CPU run short while one more of every sort still fits there.
    """

    name = "fragmentation"
    learns = True
    repeats = False

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        if state.devices:
            yield cls(state, request)

    def __init__(self, state: State, request: Request) -> None:
        super().__init__(state, request)
        self.wanted = {device.name: device for device in request.constraints.devices}
        self.need = np.array([[request.resources.cpu], [request.resources.memory]])

    def points(self, view: View) -> Ints:
        total = np.zeros(len(view.nodes), np.int64)
        for name, table in self.state.devices.items():
            guess = self.state.workload.guess(name)
            if guess is None:
                continue
            step = max(1, _AT_ONCE // (max(table.free.shape[1], 1) * len(guess.part) + len(guess.share)))
            for start in range(0, len(view.nodes), step):
                part = view.nodes[start : start + step]
                total[start : start + step] -= self._rise(part, table, guess, self.wanted.get(name))
        return total

    def _rise(self, nodes: Ints, table: DeviceTable, guess: Guess, wanted: DeviceRequest | None) -> Ints:
        """By how much one more instance raises each node's fragmentation, in points."""
        free = self.state.free[:2].take(nodes, 1)
        left = np.maximum(table.free.take(nodes, 0), 0)
        allowed = np.stack([table.of_models(models, nodes) for models in guess.models], axis=2)
        before = _useless(free, left, allowed, guess)
        if wanted is not None:
            left = table.after(wanted, nodes)
        after = _useless(free - self.need, left, allowed, guess)
        rise: Ints = (after - before) * (FULL // WHOLE) // CERTAIN
        return rise


def _useless(free: Ints, left: Ints, allowed: Bools, guess: Guess) -> Ints:
    """The useless thousandths of each node's devices, times `CERTAIN`. `allowed`: nodes x devices x sorts of need."""
    usable = (left[:, :, None] >= guess.part) & allowed
    enough = usable.sum(axis=1).take(guess.sort, 1) >= guess.count
    fits = enough & (free[0][:, None] >= guess.cpu) & (free[1][:, None] >= guess.memory)
    used = (left[:, :, None] * usable).sum(axis=1).take(guess.sort, 1)
    total = left.sum(axis=1)
    useless: Ints = total * CERTAIN - np.where(fits, used, 0) @ guess.weight
    useless += np.maximum(total - _reach(free, allowed, guess), 0) * CERTAIN
    return useless


def _reach(free: Ints, allowed: Bools, guess: Guess) -> Ints:
    """For how many thousandths of devices CPU and memory suffice in the typical mix, with what needs no device."""
    mix = allowed.any(axis=1).take(guess.sort, 1) * guess.share
    devices = mix @ (guess.part.take(guess.sort) * guess.count)
    cpu = mix @ guess.cpu + guess.other_cpu
    memory = mix @ guess.memory + guess.other_memory
    by_cpu = np.maximum(free[0], 0) * devices // np.maximum(cpu, 1)
    by_memory = np.maximum(free[1] >> _MIB, 0) * devices // np.maximum(memory >> _MIB, 1)
    least: Ints = np.minimum(by_cpu, by_memory)
    return least
