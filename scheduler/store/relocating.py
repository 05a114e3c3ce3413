"""Which instances shall run elsewhere, and why: marks, which the loop acts on like on any other difference.

A mark is set on an instance that stays, once, and taken away again only while it still does: whoever comes second with
another reason, or for another app, finds it taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from apps.applications.models import App, Instance
from apps.events.services import record
from apps.nodes.models import Node
from apps.panel.live import announce
from apps.placement.models import RebalancePolicy
from scheduler import wake
from scheduler.lifecycle import State
from scheduler.model import Relocate
from scheduler.reasons import Reason, because, restored
from scheduler.store.cluster import STAYING

NONE = {"relocate": "", "relocate_by": "", "relocate_at": None, "relocate_for": None}


@dataclass(frozen=True, slots=True)
class Drain:
    node: str
    by: str


@dataclass(frozen=True, slots=True)
class Displaced:
    """An instance that makes room for an app. `leaves`: it is on its way out."""

    id: int
    leaves: bool
    since: datetime


def mark(ids: Collection[int], why: Relocate, now: datetime, *, by: str = "", for_app: int | None = None) -> bool:
    """Have these instances leave their nodes. False, and nothing is done, when one of them is taken or not there."""
    with transaction.atomic():
        free = Instance.objects.filter(id__in=ids, gone_at=None, state__in=STAYING, relocate="")
        fresh = {"relocate": why.value, "relocate_by": by, "relocate_at": now, "relocate_for": for_app}
        if free.update(**fresh) != len(ids):
            transaction.set_rollback(True)
            return False
        rows = list(Instance.objects.filter(id__in=ids).select_related("app", "group", "node"))
        _tell_placement(row.node.name for row in rows)
        # so that the sweep finds it if the message that follows is lost
        App.objects.filter(id__in={row.app_id for row in rows}).update(settled=False)
        for row in rows:
            reason = because(why.code, node=row.node.name)
            about = {"slot": row.slot, "generation": row.generation, "node": row.node.name}
            announce("nodes")
            record("instance.relocating", app=row.app, group=row.group, reason=reason, **about)
        for app_id in {row.app_id for row in rows}:
            wake.reconcile(app_id)
    return True


def _release(rows: QuerySet[Instance]) -> int:
    """Take the marks away from those that have not begun to leave; returns how many had one."""
    with transaction.atomic():
        stay = rows.filter(gone_at=None, state__in=STAYING).exclude(relocate="")
        found = list(stay.values_list("id", "app_id", "node__name"))
        if not found:
            return 0
        released = Instance.objects.filter(id__in=[one[0] for one in found], state__in=STAYING).update(**NONE)
        _tell_placement(node for _, _, node in found)
        for app_id in {app_id for _, app_id, _ in found}:
            wake.reconcile(app_id)
    return released


def _tell_placement(nodes: Iterable[str]) -> None:
    for name in sorted(set(nodes)):  # one order for everyone: no deadlock
        Node.objects.filter(name=name).update(changed_at=Now())


def names(ids: Collection[int]) -> dict[int, str]:
    """What edges and people call these instances."""
    rows = Instance.objects.filter(id__in=ids).values_list("id", "slot", "generation")
    return {row_id: f"{slot}-{generation}" for row_id, slot, generation in rows}


# ---- drains


def drains() -> list[Drain]:
    """The nodes that are being emptied and are not empty yet."""
    rows = Node.objects.filter(draining=True, drained_at=None).order_by("drain_at", "name")
    return [Drain(*row) for row in rows.values_list("name", "drain_by")]


def leaving(node: str) -> int:
    """How many instances of the node are leaving it because of its drain, but for those that wait for room."""
    rows = Instance.objects.filter(node__name=node, gone_at=None, relocate=Relocate.DRAIN)
    return rows.exclude(app__explanation__isnull=False, state__in=STAYING).count()


def waiting(node: str) -> dict[str, tuple[int, Reason | str]]:
    """By app, how many instances are to leave the node and wait for room elsewhere, and what the placement says."""
    rows = Instance.objects.filter(node__name=node, gone_at=None, relocate=Relocate.DRAIN, state__in=STAYING)
    found: dict[str, tuple[int, Reason | str]] = {}
    columns = ("group__name", "app__name", "app__explanation")
    for group, app, explanation in rows.exclude(app__explanation=None).values_list(*columns):
        key = f"{group}/{app}"
        found[key] = found.get(key, (0, ""))[0] + 1, restored(explanation["summary"])
    return found


def drained(now: datetime) -> None:
    """Note which of the nodes that are being emptied have become empty."""
    rows = Node.objects.filter(draining=True, drained_at=None)
    empty = rows.annotate(present=Count("instances", filter=Q(instances__gone_at=None))).filter(present=0)
    for node in empty:
        with transaction.atomic():
            if Node.objects.filter(id=node.id, draining=True, drained_at=None).update(drained_at=now):
                record("node.drained", node=node)


def end_drains() -> int:
    """Let the instances stay whose node is not being drained any more."""
    return _release(Instance.objects.filter(relocate=Relocate.DRAIN, node__draining=False))


# ---- rebalancing


def fresh_nodes() -> list[str]:
    """Nodes that joined, came back or ended their drain since the last rebalancing came to its end."""
    rows = Node.objects.filter(fresh=True, reachable=True, cordoned=False, draining=False)
    return list(rows.values_list("name", flat=True))


def balanced(nodes: Collection[str]) -> None:
    """Nothing is better off on these nodes."""
    Node.objects.filter(name__in=nodes).update(fresh=False)


def moving() -> int:
    """How many instances are on their way to a better node."""
    return Instance.objects.filter(relocate=Relocate.REBALANCE, gone_at=None).count()


def begin_period(now: datetime, since: datetime) -> bool:
    """Whether it is time for moves, none having begun after `since`; if so, `now` is when they did."""
    due = RebalancePolicy.objects.filter(pk=1).filter(Q(began_at=None) | Q(began_at__lt=since))
    return bool(due.update(began_at=now))


def policy() -> RebalancePolicy:
    """Whether and how many instances are moved."""
    return RebalancePolicy.objects.get_or_create(pk=1)[0]


def stay(app_id: int) -> int:
    """Let the instances of an app stay that were to be moved for the better; returns how many."""
    return _release(Instance.objects.filter(app=app_id, relocate=Relocate.REBALANCE))


# ---- preemption


def displaced(app_id: int) -> list[Displaced]:
    """The instances that make room for the app and are not gone."""
    rows = Instance.objects.filter(relocate_for=app_id, relocate=Relocate.PREEMPTED, gone_at=None)
    found = rows.values_list("id", "state", "relocate_at")
    return [Displaced(row_id, State(state).going, since) for row_id, state, since in found]


def displace(app_id: int, node: str, ids: Collection[int], now: datetime) -> bool:
    """Have these instances make room on the node for the app. False: one of them is taken; nothing is done."""
    with transaction.atomic():
        if not mark(ids, Relocate.PREEMPTED, now, for_app=app_id):
            return False
        place = Node.objects.filter(name=node).first()
        App.objects.filter(id=app_id).update(nominated=place, nominated_at=now)
    return True


def spare(app_id: int) -> int:
    """Let those stay that were to make room for the app and have not begun to leave."""
    return _release(Instance.objects.filter(relocate_for=app_id, relocate=Relocate.PREEMPTED))


def placed(app_id: int) -> None:
    """The app needs no more room: its node is kept for it no longer."""
    with transaction.atomic():
        if App.objects.filter(id=app_id, nominated__isnull=False).update(nominated=None):
            spare(app_id)
            wake.pending()


def try_again(app_id: int, now: datetime, since: datetime) -> bool:
    """Whether room has not been looked for since; if so, it is looked for now."""
    rows = App.objects.filter(Q(nominated_at=None) | Q(nominated_at__lt=since), id=app_id)
    return bool(rows.update(nominated_at=now))


def spare_needless() -> int:
    """Let those stay that make room for an app that is gone, or waits for room no longer."""
    rows = Instance.objects.filter(relocate=Relocate.PREEMPTED)
    return _release(rows.filter(Q(relocate_for=None) | Q(relocate_for__explanation=None)))
