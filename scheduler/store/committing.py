"""Decisions -> rows, in one transaction a pass: moves, claims on nodes, new instances, the operation's outcome."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now
from django.db.models.lookups import GreaterThanOrEqual

from apps.applications.models import App, Instance, Release
from apps.events.services import record
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.panel.live import announce
from scheduler import wake
from scheduler.diff import Create, Move
from scheduler.lifecycle import State, sources
from scheduler.model import AppState, Canary, Resources
from scheduler.reasons import because
from scheduler.store import sweeping

QUARANTINE = timedelta(seconds=60)  # how long a freed address rests: edges and clients may still know it
SQUATTED = timedelta(hours=1)  # how long one that something else was found to use is left alone
EVENTS = {
    State.HEALTHY: "instance.healthy",
    State.UNHEALTHY: "instance.unhealthy",
    State.DRAINING: "instance.draining",
}


class ClaimLost(Exception):
    """Another pass took the room on a node first; nothing was written."""


class NoAddress(Exception):
    """The group's network has no free address."""

    def __init__(self, subnet: str) -> None:
        self.reason = because("no_address", subnet=subnet)
        super().__init__(str(self.reason))


@dataclass(frozen=True, slots=True)
class Assignment:
    """A new instance and the node that the placement chose for it."""

    create: Create
    node: str


def moves(app: AppState, planned: Sequence[Move], now: datetime) -> None:
    """Record the moves. One whose instance has meanwhile moved on is left out: the next pass sees where it is."""
    if not planned:
        return  # on SQLite a transaction takes the one writer's place, even for nothing
    with transaction.atomic():
        left = {move.instance.node for move in planned if _move(app, move, now) and move.to.going}
        if left:  # it stays there no more, although its room is not free yet
            Node.objects.filter(name__in=left).update(changed_at=Now())


def _move(app: AppState, move: Move, now: datetime) -> bool:
    changes: dict[str, object] = {"state": move.to.value, "since": now, "reason": move.reason.as_dict()}
    if move.to in (State.DRAINING, State.WITHDRAWN):
        changes |= {"endpoint_revision": None, "failed": move.failed}
    if move.to is State.HEALTHY and move.instance.healthy_at is None:
        changes |= {"healthy_at": now, "healthy_restarts": F("restarts")}
    if move.to is State.DRAINING:
        changes["draining_at"] = now
    elif move.to is State.WITHDRAWN:
        changes["withdrawn_at"] = now
    row = Instance.objects.filter(id=move.instance.id, state__in=sources(move.to))
    if not row.update(**changes):
        return False
    kind = "instance.failed" if move.failed else EVENTS.get(move.to)
    if kind is None and move.instance.state is not State.DRAINING:
        kind = "instance.withdrawn"
    if kind:
        about = {"slot": move.instance.slot, "generation": move.instance.generation, "node": move.instance.node}
        record(kind, app=App(id=app.id, name=app.name), group=_group(app), reason=move.reason, **about)
    return True


def switch(app: AppState, now: datetime) -> None:
    """Give the traffic to the instances of the wanted release, all at once."""
    with transaction.atomic():
        App.objects.filter(id=app.id).update(active=app.release.template, active_since=now)
        named = App(id=app.id, name=app.name)
        record("app.switched", app=named, group=_group(app), release=app.release.number)


def canary(app: AppState, planned: Canary | None) -> None:
    """Record how far the canary is; None: there is none any more. Left out when another release is wanted by now."""
    columns = {
        "canary_release": planned.release if planned else None,
        "canary_step": planned.step if planned else 0,
        "canary_weight": planned.weight if planned else 0,
        "canary_revision": planned.revision if planned else None,
        "canary_since": planned.since if planned else None,
    }
    with transaction.atomic():
        if not App.objects.filter(id=app.id, release__number=app.release.number).update(**columns):
            return
        before = app.canary.weight if app.canary else 0
        if planned is not None and planned.weight != before:
            named = App(id=app.id, name=app.name)
            record("app.canary", app=named, group=_group(app), release=planned.release, weight=planned.weight)
        announce(f"app.{app.id}")


def _group(app: AppState) -> Group:
    return Group.objects.only("id").get(name=app.group)


def assignments(app: AppState, made: Sequence[Assignment], claim: Resources, now: datetime) -> None:
    """Claim room for all of `made` and record them as assigned, or raise `ClaimLost` or `NoAddress` and do nothing.

    The claim is one conditional update a node: whoever's update matches the row has the room. The group's row is
    locked meanwhile, so that no two apps of it pick one address.
    """
    with transaction.atomic():
        group = Group.objects.select_for_update(no_key=True).get(name=app.group)
        row = App.objects.get(id=app.id)
        release = Release.objects.get(app=row, number=app.release.number)
        counts: dict[str, int] = {}
        for assignment in made:
            counts[assignment.node] = counts.get(assignment.node, 0) + 1
        for name in sorted(counts):  # one order for everyone: no deadlock
            _claim(name, claim * counts[name])
        node_ids = dict(Node.objects.filter(name__in=counts).values_list("name", "id"))
        for assignment, address in zip(made, free_addresses(group, len(made), now), strict=True):
            create = assignment.create
            Instance.objects.create(
                app=row,
                group=group,
                release=release,
                node_id=node_ids[assignment.node],
                slot=create.slot,
                generation=create.generation,
                template=app.release.template,
                address=address,
                cpu=claim.cpu,
                memory=claim.memory,
                disk=claim.disk,
                failures=create.failures,
                state=State.ASSIGNED,
                since=now,
                reason=create.reason.as_dict(),
                created_at=now,
            )
            about = {"slot": create.slot, "generation": create.generation, "node": assignment.node}
            record("instance.assigned", app=App(id=app.id, name=app.name), group=group, reason=create.reason, **about)
        generation = max(assignment.create.generation for assignment in made) + 1
        App.objects.filter(id=app.id).update(next_generation=generation)
        for waiting in sweeping.pending(group.id):  # for this app to be somewhere, it may be
            if waiting != app.id:
                wake.reconcile(waiting)


def _claim(node: str, need: Resources) -> None:
    taken = Node.objects.filter(
        _room("cpu", need.cpu),
        _room("memory", need.memory),
        _room("disk", need.disk),
        name=node,
        reachable=True,
        cordoned=False,
        draining=False,
        capacity_instances__gte=F("reserved_instances") + need.instances,
    ).update(
        reserved_cpu=F("reserved_cpu") + need.cpu,
        reserved_memory=F("reserved_memory") + need.memory,
        reserved_disk=F("reserved_disk") + need.disk,
        reserved_instances=F("reserved_instances") + need.instances,
        changed_at=Now(),
    )
    if not taken:
        raise ClaimLost(node)


def _room(figure: str, need: int) -> GreaterThanOrEqual:
    """Whether what is allocatable holds `need` more. Both sides are a hundred times that, so nothing is rounded."""
    left = Greatest(F(f"capacity_{figure}") - F(f"system_{figure}"), 0)
    return GreaterThanOrEqual(left * F(f"overcommit_{figure}"), (F(f"reserved_{figure}") + need) * 100)


def free_addresses(group: Group, count: int, now: datetime) -> list[str]:
    """The lowest addresses of the group's network that nobody has or had a moment ago; the first is the gateway's."""
    held = Instance.objects.filter(group=group)
    taken = set(held.filter(gone_at=None).values_list("address", flat=True))
    taken |= set(held.filter(gone_at__gt=now - QUARANTINE).values_list("address", flat=True))
    squatted = held.filter(gone_at__gt=now - SQUATTED, reason__code="address_taken")
    taken |= set(squatted.values_list("address", flat=True))
    hosts = ipaddress.ip_network(group.subnet).hosts()
    next(hosts)
    free: list[str] = []
    for host in hosts:
        if len(free) == count:
            break
        if str(host) not in taken:
            free.append(str(host))
    if len(free) < count:
        raise NoAddress(group.subnet)
    return free
