"""What has been asked for so far, as a guess at what will be asked for next.

Requests are counted by what they need, and what they have reserved is added up. The guess is renewed when the number of
requests has doubled twice since the last time, so that it costs little and settles; nobody has to configure or fit it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scheduler.placement.types import Ints
from scheduler.placement.values import DeviceRequest, Request

CERTAIN = 1 << 10  # the shares of all typical needs together
_FIRST = 16  # requests after which there is a guess
_GROWTH = 4
_MOST = 256  # typical needs: the most frequent ones


@dataclass(frozen=True, slots=True)
class Need:
    """What one instance needs, as far as it decides where it fits."""

    cpu: int
    memory: int
    device: DeviceRequest | None

    @classmethod
    def of(cls, request: Request) -> Need:
        devices = request.constraints.devices
        return cls(request.resources.cpu, request.resources.memory, devices[0] if devices else None)


@dataclass(frozen=True, slots=True)
class Guess:
    """Typical needs for devices of one name, a column each, most frequent first.

    Needs that want the same of a single device are of one sort.
    """

    share: Ints  # how frequent the need is; all add up to `CERTAIN` at most
    weight: Ints  # half that, half its share of all devices that are asked for: large needs are rare, and hard to meet
    cpu: Ints
    memory: Ints
    count: Ints  # devices
    sort: Ints  # position in the two below
    part: Ints  # thousandths of each device
    models: tuple[frozenset[str], ...]
    other_cpu: int  # what instances without such a device need, times `CERTAIN`, for each of those with one
    other_memory: int


class Workload:
    """`mix` is what is reserved of CPU and memory, in the units of `reserved`, as it was at the last guess."""

    def __init__(self, reserved: Callable[[], tuple[int, int]]) -> None:
        self._reserved = reserved
        self.mix = reserved()
        self.seen: Counter[Need] = Counter()
        self.arrived = 0
        self.version = 0  # of the guesses
        self._next = _FIRST
        self._known: Counter[Need] = Counter()
        self._guesses: dict[str, Guess | None] = {}

    def steady(self, most: int) -> int:
        """How many requests, `most` at most, can be noted at once with none of them in need of a new guess first.

        1 when the next one is.
        """
        return max(1, min(most, self._next - self.arrived - 1))

    def note(self, need: Need, count: int = 1) -> None:
        """Take into account what is about to be placed."""
        self.seen[need] += count
        self.arrived += count
        if self.arrived >= self._next:
            self._next = self.arrived * _GROWTH
            self._known = Counter(self.seen)
            self._guesses.clear()
            self.mix = self._reserved()
            self.version += 1

    def go_on(self, before: Workload) -> None:
        """Take over what has been seen on another set of nodes."""
        self.seen, self.arrived, self._next = before.seen, before.arrived, before._next
        self._known = before._known

    def guess(self, device: str) -> Guess | None:
        """The typical needs for devices of this name; None while there is none."""
        if device not in self._guesses:
            self._guesses[device] = self._guess(device)
        return self._guesses[device]

    def _guess(self, device: str) -> Guess | None:
        known = [(need, n) for need, n in self._known.items() if need.device is not None and need.device.name == device]
        if not known:
            return None
        known.sort(key=lambda one: (-one[1], repr(one[0])))
        known = known[:_MOST]
        total = sum(n for _, n in known)
        wanted = [(need, need.device, n) for need, n in known if need.device is not None]
        others = [(need, n) for need, n in self._known.items() if need.device is None or need.device.name != device]
        amounts = [n * device.count * device.share for _, device, n in wanted]
        in_all = sum(amounts)
        sorts = list(dict.fromkeys((device.share, device.models) for _, device, _ in wanted))
        return Guess(
            np.array([n * CERTAIN // total for _, _, n in wanted]),
            np.array(
                [
                    CERTAIN * (n * in_all + amount * total) // (2 * total * in_all)
                    for (_, _, n), amount in zip(wanted, amounts, strict=True)
                ]
            ),
            np.array([need.cpu for need, _, _ in wanted]),
            np.array([need.memory for need, _, _ in wanted]),
            np.array([device.count for _, device, _ in wanted]),
            np.array([sorts.index((device.share, device.models)) for _, device, _ in wanted]),
            np.array([share for share, _ in sorts]),
            tuple(models for _, models in sorts),
            sum(n * need.cpu for need, n in others) * CERTAIN // total,
            sum(n * need.memory for need, n in others) * CERTAIN // total,
        )
