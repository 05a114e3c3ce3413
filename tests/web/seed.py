"""A Berth in the middle of its day, written straight into the database: apps in every state, for pages to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import create_token
from apps.applications import secrets
from apps.applications.claims import set_routes
from apps.applications.models import App, Instance, Release
from apps.applications.releases import Content, held
from apps.applications.spec import parse, with_port
from apps.certificates.models import Certificate
from apps.events.models import Event
from apps.events.services import record
from apps.groups.models import Group, Membership, Role
from apps.groups.services import FIGURES
from apps.nodes.models import Node
from apps.operations.models import Operation
from apps.placement.models import PriorityClass
from scheduler.lifecycle import State
from scheduler.model import OperationKind, OperationStatus, PlacementRules, Resources
from scheduler.placement import Node as PlacementNode
from scheduler.placement import Request, place
from scheduler.reasons import because

GIB = 1 << 30
PASSWORD = "berth-at-noon"
SECRET = "s3cr3t-value-that-no-page-may-show"
FAILS = because("edge_says", edge="edge", words="L7STS/500")
HOSTILE = "<script>alert('x')</script>"


@dataclass
class Seed:
    admin: User
    owner: User
    developer: User
    viewer: User
    outsider: User
    shop: Group
    data: Group
    nodes: list[Node]
    web: App  # healthy
    api: App  # an update is under way
    search: App  # failing, its deploy failed
    images: App  # degraded
    worker: App  # stopped
    warehouse: App  # pending: no node fits
    priority: PriorityClass


def seed(now: datetime | None = None) -> Seed:
    """Make everything. Times are relative to `now`."""
    now = now or timezone.now()
    people = {
        name: User.objects.create_user(name, f"{name}@example.com", PASSWORD)
        for name in ("lin", "maya", "noor", "otto")
    }
    admin = User.objects.create_superuser("admin", "ops@example.com", PASSWORD)
    create_token(admin, "ci-deploy", now + timedelta(days=60))
    nodes = _nodes(now)
    shop = _group("shop", "10.96.0.0/22", 6000, 3 * GIB, 20 * GIB, 20)
    data = _group("data", "10.96.4.0/22", 16000, 112 * GIB, 500 * GIB, 20)
    for group, user, role in (
        (shop, "lin", Role.OWNER),
        (shop, "maya", Role.DEVELOPER),
        (shop, "noor", Role.VIEWER),
        (data, "maya", Role.OWNER),
    ):
        Membership.objects.create(group=group, user=people[user], role=role)
    by = people["maya"]
    berth = Seed(
        admin,
        people["lin"],
        by,
        people["noor"],
        people["otto"],
        shop,
        data,
        nodes,
        web=_web(shop, nodes, by, now),
        api=_api(shop, nodes, by, now),
        search=_search(shop, nodes, by, now),
        images=_images(shop, nodes, by, now),
        worker=_worker(shop, by, now),
        warehouse=_warehouse(data, nodes, by, now),
        priority=PriorityClass.objects.create(name="business", value=100, protected=True),
    )
    for group in (shop, data):
        _reserve(group)
    _certificate(shop, now)
    return berth


def _certificate(group: Group, now: datetime) -> None:
    Certificate.objects.create(
        group=group,
        name="shop",
        source="acme",
        hosts=["shop.example.test"],
        chain="-----BEGIN CERTIFICATE-----",
        key=secrets.encrypt_bytes(SECRET.encode()),
        issuer="R3",
        fingerprint="ab" * 32,
        not_before=now - timedelta(days=30),
        not_after=now + timedelta(days=60),
        due_at=now + timedelta(days=30),
        tried_at=now - timedelta(days=30),
    )


def _reserve(group: Group) -> None:
    """Reserve what the group's apps do reserve."""
    reserved = sum((held(app) for app in group.apps.select_related("release")), Resources())
    for figure in FIGURES:
        setattr(group, f"reserved_{figure}", getattr(reserved, figure))
    group.save()


def _nodes(now: datetime) -> list[Node]:
    common = {
        "engine_version": "20.10.24",
        "capacity_instances": 200,
        "system_cpu": 500,
        "system_memory": GIB,
    }
    rows = [
        Node(
            name="berth-1",
            engine_url="unix:///var/run/docker.sock",
            reachable=True,
            labels={"zone": "a", "disk": "ssd"},
        ),
        Node(
            name="berth-2",
            engine_url="tcp://10.0.0.12:2375",
            reachable=True,
            labels={"zone": "b", "disk": "ssd"},
        ),
        Node(
            name="berth-3",
            engine_url="tcp://10.0.0.13:2375",
            reachable=True,
            cordoned=True,
            labels={"zone": "b"},
        ),
        Node(
            name="berth-4",
            engine_url="tcp://10.0.0.14:2375",
            problem="connect timeout after 5 s: 10.0.0.14:2375",
        ),
    ]
    for index, node in enumerate(rows):
        for name, value in common.items():
            setattr(node, name, value)
        node.capacity_cpu, node.capacity_memory, node.capacity_disk = 8000, 32 * GIB, 400 * GIB
        node.reserved_cpu, node.reserved_memory = (6400, 2750, 1000, 0)[index], (19, 9, 4, 0)[index] * GIB
        node.reserved_disk, node.reserved_instances = (90, 40, 10, 0)[index] * GIB, (14, 7, 2, 0)[index]
        node.last_seen_at = now - timedelta(seconds=(3, 2, 6, 840)[index])
        node.save()
    record("node.unreachable", node=rows[3])
    return rows


def _group(name: str, subnet: str, cpu: int, memory: int, disk: int, instances: int) -> Group:
    return Group.objects.create(
        name=name, subnet=subnet, quota_cpu=cpu, quota_memory=memory, quota_disk=disk, quota_instances=instances
    )


def make_app(group: Group, name: str, by: User | None, *specs: dict[str, Any], **columns: Any) -> App:
    """An app with a release for each spec, the newest of them wanted."""
    app = App.objects.create(group=group, name=name, **columns)
    for number, data in enumerate(specs, 1):
        parsed = parse({"name": name, **data})
        content = Content(with_port(parsed.spec, 8080), f"registry/{name}@sha256:{number:064x}", parsed.env)
        app.release = Release.objects.create(
            app=app,
            number=number,
            spec=content.spec,
            digest=content.digest,
            env=secrets.encrypt(content.env),
            template=content.template,
            created_by=by,
        )
    set_routes(app, app.release.spec["routes"])
    app.save()
    record("app.created", actor=by, app=app)
    return app


def make_instance(
    app: App, node: Node, slot: int, generation: int, state: State, now: datetime, **columns: Any
) -> Instance:
    up = state is State.HEALTHY
    fresh = {
        "release": app.release,
        "template": app.release.template,
        "address": f"10.96.{app.pk % 250}.{generation + 1}",
        "cpu": 250,
        "memory": 64 << 20,
        "disk": 0,
        "since": now - timedelta(minutes=5),
        "reason": because("probe_up").as_dict() if up else None,
        "process": "running",
        "probes": {
            "edge": {
                "up": up,
                "since": now.isoformat(),
                "detail": "L7OK/200 in 2ms" if up else "",
                "sessions": 3,
            }
        },
        "created_at": now - timedelta(hours=7),
        "started_at": now - timedelta(hours=7),
        "healthy_at": now - timedelta(hours=7) if up else None,
        **columns,
    }
    return Instance.objects.create(
        app=app, group=app.group, node=node, slot=slot, generation=generation, state=state, **fresh
    )


def _web(group: Group, nodes: list[Node], by: User, now: datetime) -> App:
    env = {"DATABASE_URL": SECRET, "LOG_LEVEL": "info"}
    routes = [{"host": "shop.example.test"}, {"host": "www.example.test", "path": "/shop"}]
    first = {"image": "registry.example.com/shop/web:1.3", "replicas": 2, "env": env, "routes": routes[:1]}
    second = {**first, "image": "registry.example.com/shop/web:1.4", "env": {**env, "LOG_LEVEL": "warning"}}
    third = {**second, "replicas": 3, "resources": {"memory": "384MiB", "disk": "1GiB"}, "routes": routes}
    app = make_app(group, "web", by, first, second, third, status="healthy", settled=True, next_generation=9)
    app.last_good = app.release
    app.save()
    for slot, node in enumerate((nodes[0], nodes[1], nodes[0])):
        row = make_instance(app, node, slot, 6 + slot, State.HEALTHY, now, restarts=1 if slot == 2 else 0)
        record("instance.healthy", app=app, slot=row.slot, generation=row.generation, reason=because("probe_up"))
    return app


def _api(group: Group, nodes: list[Node], by: User, now: datetime) -> App:
    first = {
        "image": "registry.example.com/shop/api:2.0",
        "replicas": 4,
        "routes": [{"host": "api.example.test"}],
    }
    second = {**first, "image": "registry.example.com/shop/api:2.1"}
    waits = because("awaiting_health").as_dict()
    app = make_app(group, "api", by, first, second, status="updating", status_reason=waits, next_generation=9)
    app.last_good = old = app.releases.get(number=1)
    app.save()
    for slot in range(4):
        if slot < 2:
            make_instance(app, nodes[slot], slot, 5 + slot, State.HEALTHY, now, started_at=now - timedelta(minutes=2))
        else:
            make_instance(app, nodes[1], slot, slot, State.HEALTHY, now, release=old)
    make_instance(
        app, nodes[0], 2, 7, State.STARTED, now,
        started_at=now - timedelta(seconds=9), reason=because("running").as_dict(),
    )  # fmt: skip
    _operation(
        app, OperationKind.DEPLOY, OperationStatus.RUNNING, by, now,
        [("place", "done", 4, 4, 40, 38), ("start", "running", 3, 4, 38, None),
         ("health", "running", 2, 4, 31, None), ("retire", "waiting", 0, 1, None, None)],
        release=2,
    )  # fmt: skip
    record("app.deployed", actor=by, app=app, release=2)
    return app


def _search(group: Group, nodes: list[Node], by: User, now: datetime) -> App:
    failed = because("never_healthy", grace=30, verdict=FAILS)
    spec = {
        "image": "registry.example.com/shop/search:0.9",
        "replicas": 1,
        "routes": [{"host": "search.example.test"}],
    }
    app = make_app(group, "search", by, spec, status="failing", status_reason=failed.as_dict(), next_generation=5)
    tail = (
        "2026-03-02T10:00:01 INFO  search listening on :8080\n"
        "2026-03-02T10:00:02 ERROR index not found: /data/index\n"
        f"2026-03-02T10:00:03 ERROR GET / 500 {HOSTILE}"
    )
    probes = {"edge": {"up": False, "since": now.isoformat(), "detail": "L7STS/500", "sessions": 0}}
    make_instance(
        app, nodes[1], 0, 4, State.UNHEALTHY, now, failures=3, probes=probes, process="restarting", restarts=4,
        reason=because("probe_down", verdict=FAILS).as_dict(), started_at=now - timedelta(seconds=25),
    )  # fmt: skip
    for generation in (2, 3):
        make_instance(
            app, nodes[0], 0, generation, State.GONE, now, failed=True, reason=failed.as_dict(), log_tail=tail,
            gone_at=now - timedelta(minutes=9 - generation),
        )  # fmt: skip
    operation = _operation(
        app, OperationKind.CREATE, OperationStatus.FAILED, by, now - timedelta(minutes=6),
        [("place", "done", 1, 1, 95, 94), ("start", "done", 1, 1, 94, 92),
         ("health", "failed", 0, 1, 92, 2), ("retire", "waiting", 0, 1, None, None)],
        release=1,
        error={
            "step": "health", "reason": because("kept_failing", slot=0, failures=3, verdict=FAILS).as_dict(),
            "instance": "0-3", "exit_code": None, "probes": {"edge": "L7STS/500"}, "logs": tail,
        },
    )  # fmt: skip
    record("instance.failed", app=app, slot=0, generation=3, reason=failed)
    record(
        "operation.failed",
        app=app,
        operation=operation,
        reason=because("deadline", seconds=300, verdict=FAILS),
    )
    return app


def _images(group: Group, nodes: list[Node], by: User, now: datetime) -> App:
    waits = because("backing_off", failures=2, seconds=20)
    spec = {
        "image": "registry.example.com/shop/images:5",
        "replicas": 3,
        "routes": [{"host": "img.example.test"}],
    }
    app = make_app(group, "images", by, spec, status="degraded", status_reason=waits.as_dict(), next_generation=6)
    make_instance(app, nodes[0], 0, 1, State.HEALTHY, now)
    make_instance(app, nodes[1], 1, 2, State.HEALTHY, now)
    make_instance(
        app, nodes[3], 2, 5, State.DRAINING, now,
        reason=because("node_lost", node="berth-4").as_dict(), process="unknown",
        probes={"edge": {"up": False, "since": now.isoformat(), "detail": "L4TOUT", "sessions": 0}},
    )  # fmt: skip
    return app


def _worker(group: Group, by: User, now: datetime) -> App:
    spec = {
        "image": "registry.example.com/shop/worker:1",
        "protocol": "tcp",
        "command": ["worker", "--queue", "mail"],
    }
    app = make_app(group, "worker", by, spec, status="stopped", running=False, settled=True)
    record("app.stopped", actor=by, app=app)
    return app


def _warehouse(group: Group, nodes: list[Node], by: User, now: datetime) -> App:
    spec = {
        "image": "registry.example.com/data/warehouse:3",
        "replicas": 2,
        "resources": {"cpu": 6, "memory": "48GiB", "disk": "100GiB"},
        "placement": {"require": ["disk == ssd"]},
    }
    found = explanation(nodes)
    waits = because("awaiting_placement", explanation=found.summary()).as_dict()
    app = make_app(group, "warehouse", by, spec, status="pending", status_reason=waits, explanation=found.as_dict())
    _operation(
        app, OperationKind.CREATE, OperationStatus.RUNNING, by, now,
        [("place", "running", 0, 2, 70, None), ("start", "waiting", 0, 2, None, None),
         ("health", "waiting", 0, 2, None, None), ("retire", "waiting", 0, 1, None, None)],
        release=1,
    )  # fmt: skip
    record("app.placement_pending", app=app, reason=because("awaiting_placement", explanation=found.summary()))
    return app


def explanation(nodes: list[Node]) -> Any:
    """Why two instances with 6 cores and 48 GiB on SSD fit on none of these nodes, as the placement says it."""
    seen = [
        PlacementNode(
            name=node.name,
            labels=node.labels,
            state=node.state.value,
            allocatable=Resources(7500, 31 * GIB, 400 * GIB, 200),
            reserved=Resources(node.reserved_cpu, node.reserved_memory, node.reserved_disk, node.reserved_instances),
        )
        for node in nodes
    ]
    wanted = Resources(cpu=6000, memory=48 * GIB, instances=1)
    request = Request("data/warehouse", "data", wanted, 2, PlacementRules(require=("disk == ssd",)))
    return place(seen, request).explanation


def _operation(
    app: App,
    kind: OperationKind,
    status: OperationStatus,
    by: User,
    now: datetime,
    steps: list[tuple[str, str, int, int, int | None, int | None]],
    **columns: Any,
) -> Operation:
    def moment(seconds: int | None) -> str | None:
        return None if seconds is None else (now - timedelta(seconds=seconds)).isoformat()

    operation = Operation.objects.create(
        app=app, group=app.group, group_name=app.group.name, app_name=app.name, kind=kind, status=status,
        created_by=by, started_at=now - timedelta(seconds=95), ended_at=now if status.ended else None,
        steps=[
            {"name": name, "status": state, "done": done, "of": of, "started_at": moment(began),
             "ended_at": moment(ended)}
            for name, state, done, of, began, ended in steps
        ],
        **columns,
    )  # fmt: skip
    Operation.objects.filter(pk=operation.pk).update(created_at=now - timedelta(seconds=96))
    return operation


def age_events(now: datetime) -> None:
    """Spread the events over the last hours, as if they had not all happened at once."""
    for index, event in enumerate(Event.objects.order_by("-id")):
        Event.objects.filter(pk=event.pk).update(at=now - timedelta(minutes=index**2 * 3, seconds=20))
