"""How far the drain of a node has come, and what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.applications.models import Instance
from apps.nodes.models import Node
from scheduler.reasons import Reason


@dataclass(frozen=True, slots=True)
class Hindered:
    """Instances of an app that cannot leave yet, and why."""

    app: str
    instances: int
    reason: Reason | str  # as older rows have it


@dataclass(frozen=True, slots=True)
class Progress:
    draining: bool
    by: str  # who asked for it
    since: datetime | None
    drained_at: datetime | None
    left: int  # instances that are not gone
    moving: int  # of these, have begun to
    hindered: Sequence[Hindered]


def progress(node: Node) -> Progress:
    """Looks at the cluster for every app that cannot leave, at most some of them."""
    present = Instance.objects.filter(node=node, gone_at=None)
    left, moving = present.count(), present.exclude(relocate="").count()
    hindered: list[Hindered] = []
    if node.draining and left:
        from scheduler import queries  # loads the engine's client, which most requests do without

        hindered = [Hindered(*each) for each in queries.hindered(node.name)]
    return Progress(node.draining, node.drain_by, node.drain_at, node.drained_at, left, moving, hindered)
