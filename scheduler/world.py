"""The outside as this process sees it: its engines, its etcd, its clock, the nodes that it places on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from django.conf import settings

from scheduler.engine.base import Engine
from scheduler.engine.connect import connect
from scheduler.etcd import Etcd
from scheduler.etcd_base import Store
from scheduler.store import sweeping
from scheduler.store.cluster import KeptCluster
from scheduler.traffic import here
from scheduler.traffic.source import Source


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside: engines by node name, etcd, the clock, the nodes as placed on, what the edges measure."""

    engine: Callable[[str], Engine]
    etcd: Store
    now: Callable[[], datetime]
    cluster: KeptCluster  # for placements
    traffic: Source


def the_world() -> World:
    """The real one. Clients are kept for the life of the process; nodes are read anew by each caller."""
    urls: dict[str, str] = {}

    def engine(node: str) -> Engine:
        if node not in urls:
            urls.update(sweeping.node_urls())
        return connect(urls[node], settings.BERTH_INSTALLATION)

    return World(engine, etcd(), lambda: datetime.now(UTC), cluster(), here.source())


@cache
def cluster() -> KeptCluster:
    return KeptCluster()


@cache
def etcd() -> Etcd:
    host, port = settings.BERTH.etcd_address
    return Etcd(host, port, settings.BERTH.etcd_prefix)
