"""The cluster as the placement sees it: kept in the process, brought up to date by what changed.

Whoever changes what the placement sees of a node says so in its `changed_at`, by the database's clock. A placement
first reads the nodes that changed since the one before, so it costs what happened and not what there is. Transactions
become visible late, so it looks back a little further than that. What it still does not know of, a lost claim tells:
claims are conditional, so an old picture leads to another attempt and never to a wrong claim.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Now

from apps.applications.models import Instance
from apps.nodes.models import Node, NodeImages
from scheduler import placement
from scheduler.lifecycle import State
from scheduler.placement import Cluster, Decision, Explanation, Profile, Request, Running

LATE = timedelta(seconds=10)  # longer than a transaction that changes a node lasts
WHOLE = 300.0  # seconds after which all of it is read again: nodes that were removed leave it then
MANY = 500  # nodes whose instances are asked for in one query
STAYING = [state.value for state in State if not state.going]


class KeptCluster:
    """One for the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cluster = Cluster(())
        self._read_at: datetime | None = None  # by the database's clock
        self._whole_due = 0.0
        self._suspects: set[str] = set()  # nodes that were claimed here; the database may not have that, or not yet

    def place(self, request: Request, profile: Profile) -> Decision:
        """Find nodes for the request. Whether its claims are made in the database is seen by the next placement."""
        with self._lock:
            self._refresh()
            decision = self._cluster.place(request, profile)
            self._suspects.update(decision.nodes)
            return decision

    def try_out(self, request: Request, profile: Profile) -> Decision:
        """What `place` would decide; nothing is claimed."""
        with self._lock:
            self._refresh()
            decision = self._cluster.place(request, profile)
            for node, devices in zip(decision.nodes, decision.devices, strict=True):
                self._cluster.release(node, request, devices)
            self._suspects.update(decision.nodes)
            return decision

    def explain(self, request: Request, profile: Profile) -> Explanation:
        """How every node looks to one more instance of the request."""
        with self._lock:
            self._refresh()
            return self._cluster.explain(request, profile)

    def elsewhere(self, one: Running, profile: Profile) -> str | None:
        """The best node for another instance in the place of one that is to leave its node; None when none fits."""
        with self._lock:
            self._refresh()
            if one.node not in self._cluster.state.index:
                return None
            found = self._cluster.better(one, profile)
            return found[0] if found else None

    def nodes(self) -> list[placement.Node]:
        """All nodes as they are."""
        with self._lock:
            self._refresh()
            return self._cluster.nodes

    def _refresh(self) -> None:
        if self._read_at is None or time.monotonic() >= self._whole_due:
            self._read_at = _clock()
            self._whole_due = time.monotonic() + WHOLE
            fresh = list(_nodes(Node.objects.all()))
            gone = {node.name for node in self._cluster.nodes} - {node.name for node in fresh}
            self._cluster.refresh(fresh, gone)
        else:
            since, self._read_at = self._read_at - LATE, _clock()
            fresh = list(_nodes(Node.objects.filter(Q(changed_at__gte=since) | Q(name__in=self._suspects))))
            self._cluster.refresh(fresh, self._suspects - {node.name for node in fresh})
        self._suspects.clear()


def _clock() -> datetime | None:
    """The database's time; None while there is no node."""
    rows = Node.objects.order_by("id").values_list(models.ExpressionWrapper(Now(), models.DateTimeField()))
    found = rows.first()
    return found[0] if found else None


def _nodes(rows: models.QuerySet[Node]) -> Iterable[placement.Node]:
    """The nodes with the instances that stay on them, and shall, counted by app."""
    nodes = list(rows.select_related("images"))
    for start in range(0, len(nodes), MANY):
        some = nodes[start : start + MANY]
        counts: dict[int, dict[str, int]] = {}
        staying = Instance.objects.filter(node__in=some, gone_at=None, state__in=STAYING, relocate="").order_by()
        per_app = staying.values_list("node_id", "group__name", "app__name").annotate(Count("id"))
        for node_id, group, app, count in per_app:
            counts.setdefault(node_id, {})[f"{group}/{app}"] = count
        yield from (_node(row, counts.get(row.id, {})) for row in some)


def _node(row: Node, apps: dict[str, int]) -> placement.Node:
    return placement.Node(
        name=row.name,
        labels=row.labels,
        state=str(row.state.value),
        allocatable=row.allocatable,
        reserved=row.reserved,
        apps=apps,
        taints=row.kept_off_by,
        images=_images(row),
    )


def _images(row: Node) -> dict[str, int]:
    """Bytes by digest. Many nodes have the same image: its name is kept once."""
    found: NodeImages | None = getattr(row, "images", None)  # none while its engine was never asked
    return {sys.intern(digest): size for digest, size in found.sizes.items()} if found else {}
