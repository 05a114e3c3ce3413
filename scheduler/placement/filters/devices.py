from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import WHOLE, DeviceRequest, Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because, joined


class DeviceFilter(Filter):
    """Devices, or a share of one: each has to come from one device of an allowed model."""

    name = "devices"
    repeats = False  # which device the next instance gets depends on what the one before was given

    def __init__(self, state: State, request: DeviceRequest) -> None:
        self.state = state
        self.request = request
        self.table = state.devices.get(request.name)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        wanted = request.constraints.devices
        if len({device.name for device in wanted}) < len(wanted):
            raise ValueError("devices of one name can be asked for once only")
        for device in wanted:
            if device.count < 1 or not 1 <= device.share <= WHOLE:
                raise ValueError(
                    f"{device.name}: {device.count} devices with {device.share}/{WHOLE} each is no request"
                )
            yield cls(state, device)

    def passes(self, view: View) -> Bools:
        if self.table is None:
            return np.zeros(len(view.nodes), np.bool_)
        return self.table.fits(self.request, view.nodes)

    def possible(self, view: View) -> Bools:
        if self.table is None:
            return np.zeros(len(view.nodes), np.bool_)
        return self.table.could_fit(self.request, view.nodes)

    def checks(self, view: View) -> Iterator[Check]:
        wants = wanted_in_words(self.request)
        usable = None if self.table is None else self.table.usable(self.request, view.nodes)
        yield Check(
            self.name,
            self.request.name,
            self.passes(view),
            lambda n: _free(self.request.name, wants, usable, n),
            lambda nodes: because("devices_short", device=self.request.name, nodes=len(nodes), needs=wants),
            lambda nodes: because("devices_freed", devices=wants, node=self.state.names[nodes[0]]),
        )


def wanted_in_words(wanted: DeviceRequest) -> Reason:
    """ "2 whole t4 or v100 gpu"."""
    models = joined("either", sorted(wanted.models))
    device = wanted.name if models is None else because("device_of", models=models, device=wanted.name)
    if wanted.share == WHOLE:
        return because("whole_devices", count=wanted.count, device=device)
    return because("shared_devices", count=wanted.count, share=wanted.share, whole=WHOLE, device=device)


def _free(device: str, wants: Reason, usable: Ints | None, n: int) -> Reason:
    shares = [] if usable is None else sorted((int(free) for free in usable[n] if free > 0), reverse=True)
    if not shares:
        return because("devices_taken", device=device, needs=wants)
    return because("devices_free", device=device, needs=wants, shares=tuple(f"{free}/{WHOLE}" for free in shares))
