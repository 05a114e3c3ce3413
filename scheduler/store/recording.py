"""What engines and edges did and showed -> rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.applications.models import App, Instance
from apps.events.services import record
from apps.groups.models import Group
from apps.groups.services import move_subnet
from apps.nodes.models import Node
from apps.panel.live import announce
from scheduler.engine.base import Container, EngineInfo
from scheduler.lifecycle import State, sources
from scheduler.model import Probe, Process
from scheduler.reasons import Amount, Reason, Unit, because, joined, stored


def started(instance_id: int, container: str, now: datetime) -> None:
    """The instance's container runs."""
    with transaction.atomic():
        row = Instance.objects.select_related("app", "group", "node").get(id=instance_id)
        changed = Instance.objects.filter(id=instance_id, state=State.ASSIGNED).update(
            state=State.STARTED,
            since=now,
            started_at=now,
            container=container,
            reason=because("running").as_dict(),
        )
        # unless the observer was faster and has seen it end already
        Instance.objects.filter(id=instance_id, process=Process.UNKNOWN).update(process=Process.RUNNING)
        if changed:
            _tell("instance.started", row, None)


def start_failed(instance_id: int, reason: Reason, now: datetime, *, failed: bool) -> None:
    """The instance will never run; `failed`: and that counts against its slot."""
    with transaction.atomic():
        row = Instance.objects.select_related("app", "group", "node").get(id=instance_id)
        changed = Instance.objects.filter(id=instance_id, state=State.ASSIGNED).update(
            state=State.WITHDRAWN,
            since=now,
            withdrawn_at=now,
            reason=reason.as_dict(),
            failed=failed,
            endpoint_revision=None,
        )
        if changed:
            Node.objects.filter(id=row.node_id).update(changed_at=Now())
            _tell("instance.failed" if failed else "instance.withdrawn", row, reason)


def stop_sent(instance_id: int, now: datetime) -> None:
    """The instance was told to stop."""
    changed = Instance.objects.filter(id=instance_id, state__in=sources(State.STOPPING))
    changed.update(state=State.STOPPING, since=now, stopping_at=now)


def gone(instance_id: int, now: datetime) -> None:
    """The instance's container is removed: give its claim back, exactly once."""
    with transaction.atomic():
        row = Instance.objects.select_related("app", "group", "node").get(id=instance_id)
        if not Instance.objects.filter(id=instance_id, gone_at=None).update(state=State.GONE, since=now, gone_at=now):
            return
        Node.objects.filter(id=row.node_id).update(
            reserved_cpu=F("reserved_cpu") - row.cpu,
            reserved_memory=F("reserved_memory") - row.memory,
            reserved_disk=F("reserved_disk") - row.disk,
            reserved_instances=F("reserved_instances") - 1,
            changed_at=Now(),
        )
        _tell("instance.gone", row, Reason.from_dict(row.reason) if row.reason else None)
        if row.node.draining:  # its page shows what is left
            announce("nodes")


def _tell(kind: str, row: Instance, reason: Reason | None) -> None:
    about = {"slot": row.slot, "generation": row.generation, "node": row.node.name}
    record(kind, app=row.app, group=row.group, reason=reason, **about)


def published(app_id: int, digest: str, revision: int, now: datetime) -> bool:
    """At `revision`, etcd says of the app what has this digest; returns whether that is news.

    A revision below the one that is recorded is another etcd's, or one's that was wiped.
    """
    known = Q(published=digest, published_revision__lte=revision)
    fresh = {"published": digest, "published_revision": revision, "published_at": now}
    return bool(App.objects.filter(~known, id=app_id).update(**fresh))


def leaving_published(instance_ids: Collection[int], revision: int) -> None:
    """From `revision` on, etcd says of these instances what their state wants."""
    Instance.objects.filter(id__in=instance_ids).update(endpoint_revision=revision)


def weight_published(app_id: int, weight: int, revision: int) -> None:
    """From `revision` on, etcd says that the canary gets this share of the traffic."""
    rows = App.objects.filter(id=app_id, canary_release__isnull=False, canary_weight=weight)
    rows.filter(canary_revision=None).update(canary_revision=revision)


def subnet_taken(group: str) -> None:
    """Something that is not Berth's has the group's subnet on an engine: give the group another one.

    Only while none of its instances has an address in use; otherwise someone has to decide.
    """
    with transaction.atomic():
        row = Group.objects.select_for_update().get(name=group)
        in_use = Instance.objects.filter(group=row, gone_at=None).exclude(state__in=[State.ASSIGNED, State.WITHDRAWN])
        if not in_use.exists():
            move_subnet(row)


def log_tail(instance_id: int, text: str) -> None:
    Instance.objects.filter(id=instance_id).update(log_tail=text)


def probes(app_id: int, seen: dict[str, list[Probe]]) -> None:
    """Keep the edges' verdicts beside the instances, for pages; writes only what changed."""
    changed = False
    for row in Instance.objects.filter(app_id=app_id, gone_at=None).only("id", "slot", "generation", "probes"):
        fresh = {
            probe.edge: {
                "up": probe.up,
                "since": probe.since.isoformat(),
                "detail": probe.detail,
                "sessions": probe.sessions,
            }
            for probe in seen.get(row.name, ())
        }
        if fresh != row.probes:
            changed |= bool(Instance.objects.filter(id=row.id).update(probes=fresh))
    if changed:
        announce(f"app.{app_id}")


def node_info(name: str, info: EngineInfo, now: datetime, most_instances: int) -> bool:
    """The node's engine answers. True: it did not before."""
    capacity = {
        "capacity_cpu": info.capacity.cpu,
        "capacity_memory": info.capacity.memory,
        "capacity_disk": info.capacity.disk,
        "capacity_instances": most_instances,
    }
    row = Node.objects.filter(name=name)
    row.update(engine_id=info.id, engine_version=info.version, last_seen_at=now, problem="")
    row.exclude(**capacity).update(**capacity, changed_at=Now())
    with transaction.atomic():
        back = bool(row.filter(reachable=False).update(reachable=True, fresh=True, changed_at=Now()))
        if back:
            record("node.reachable", node=Node.objects.get(name=name))
    return back


def node_unreachable(name: str, problem: str) -> bool:
    """The node's engine does not answer. True: it did before."""
    with transaction.atomic():
        node = Node.objects.filter(name=name).first()
        if node is None:
            return False
        row, problem = Node.objects.filter(name=name), f"{node.engine_url}: {problem}"
        lost = bool(row.filter(reachable=True).update(reachable=False, problem=problem, changed_at=Now()))
        told = row.exclude(problem=problem).update(problem=problem)
        if lost or (told and not node.problem and node.last_seen_at is None):
            record("node.unreachable", node=node, problem=problem)
        elif told:
            announce("nodes")
    return lost


def same_engine(name: str, engine_id: str) -> Node | None:
    """The other node that has this engine: the one that was seen to have it first; of two seen at once, the older."""
    others = Node.objects.filter(engine_id=engine_id).exclude(name=name)
    own = Node.objects.filter(name=name, engine_id=engine_id).values_list("id", flat=True).first()
    return (others if own is None else others.filter(id__lt=own)).first()


def node_refused(name: str, other: Node) -> None:
    """The node's engine is that of another node: it would be counted twice, so nothing is placed on this one."""
    problem = f"this is the engine of the node {other.name} ({other.engine_url}); remove one of the two"
    with transaction.atomic():
        row = Node.objects.filter(name=name).exclude(reachable=False, problem=problem)
        if row.update(reachable=False, problem=problem, changed_at=Now()):
            record("node.refused", node=Node.objects.get(name=name), other=other.name)


def present(node: str) -> list[Instance]:
    """The rows of the node's instances that are not gone."""
    return list(Instance.objects.filter(node__name=node, gone_at=None).select_related("app", "group", "node"))


def present_one(app_id: int, generation: int) -> Instance | None:
    """One instance's row, unless it is gone."""
    rows = Instance.objects.filter(app_id=app_id, generation=generation, gone_at=None)
    return rows.select_related("app", "group", "node").first()


def seen(row: Instance, container: Container | None) -> bool:
    """Record how the engine shows an instance's container; None: it has none. True: something changed."""
    drift = None
    if container is None:
        if row.state == State.ASSIGNED:
            return False  # not made yet
        fresh: dict[str, object] = {"process": Process.MISSING.value}
    else:
        drift = None if row.state == State.ASSIGNED else difference(row, container)
        fresh = {
            "process": container.process.value,
            "exit_code": container.exit_code,
            "oom_killed": row.oom_killed or container.oom_killed,
            "exec_health": container.exec_health.value,
            "restarts": container.restarts,
            "drift": stored(drift),
        }
    fresh = {name: value for name, value in fresh.items() if getattr(row, name) != value}
    if not fresh:
        return False
    with transaction.atomic():
        if not Instance.objects.filter(id=row.id, gone_at=None).update(**fresh):
            return False
        if fresh.get("oom_killed"):
            about = {"slot": row.slot, "generation": row.generation, "node": row.node.name}
            limit = Amount(row.memory, Unit.BYTES)
            record("instance.out_of_memory", app=row.app, group=row.group, limit=limit, **about)
        if drift is not None and "drift" in fresh:
            _tell("instance.drifted", row, because("drifted", difference=drift))
        announce(f"app.{row.app_id}")
    return True


def difference(row: Instance, container: Container) -> Reason | None:
    """How a container differs from what Berth made for the instance; None when it does not."""
    found: list[Reason] = []
    if container.memory != row.memory:
        found.append(because("memory_differs", found=container.memory, made=row.memory))
    if container.cpu != row.cpu:
        found.append(because("cpu_differs", found=container.cpu, made=row.cpu))
    if container.process in (Process.RUNNING, Process.PAUSED) and container.address != row.address:
        lost = because("address_lost", made=row.address)
        differs = because("address_differs", found=container.address, made=row.address)
        found.append(differs if container.address else lost)
    if len(container.networks) > 1:
        found.append(because("networks_differ", networks=len(container.networks)))
    return joined("also", found)


def orphans(containers: Iterable[Container]) -> list[Container]:
    """Those that belong to no instance that is still present. List the containers first, then call this: a row is
    always there before its container."""
    listed = list(containers)
    ids = {container.labels.app_id for container in listed}
    rows = Instance.objects.filter(app_id__in=ids, gone_at=None).values_list("app_id", "generation")
    known = set(rows)
    return [c for c in listed if (c.labels.app_id, c.labels.generation) not in known]


def orphan_removed(node: str, container: Container) -> None:
    about = {"container": container.name, "node": node}
    app = App.objects.filter(id=container.labels.app_id).select_related("group").first()
    record(
        "orphan.removed",
        app=app,
        group=app.group if app else None,
        node=Node.objects.get(name=node),
        reason=because("orphan", container=container.name),
        container=about["container"],
    )
