"""A node as it is once some of its instances have gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduler.model import Resources
from scheduler.placement.values import Node, Running


def without(node: Node, gone: Sequence[Running]) -> Node:
    """The node as it is once these instances have gone."""
    reserved, apps, ports, devices = node.reserved, dict(node.apps), node.ports, list(node.devices)
    for one in gone:
        reserved -= taken(one)
        apps[one.request.app] = apps.get(one.request.app, 0) - 1
        ports -= one.request.constraints.ports
        for k in one.devices:
            share = next(d.share for d in one.request.constraints.devices if d.name == devices[k].name)
            devices[k] = replace(devices[k], free=devices[k].free + share)
    apps = {app: count for app, count in apps.items() if count > 0}
    return replace(node, reserved=_positive(reserved), apps=apps, ports=ports, devices=tuple(devices))


def taken(one: Running) -> Resources:
    """What an instance has reserved."""
    need = one.request.resources
    return replace(need, instances=max(need.instances, 1))


def _positive(amounts: Resources) -> Resources:
    return Resources(*(max(0, figure) for figure in (amounts.cpu, amounts.memory, amounts.disk, amounts.instances)))
