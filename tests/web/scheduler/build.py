"""Rows for the loop's tests, made through the services that requests use."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.applications import releases
from apps.applications.models import App, Instance
from apps.applications.releases import Content
from apps.applications.spec import parse, with_port
from apps.groups import services as groups
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations import services as operations
from apps.operations.models import Operation
from scheduler.diff import Create
from scheduler.model import AppState, OperationKind, Resources
from scheduler.reasons import because
from scheduler.store import committing, reading

GIB = 1 << 30
CLAIM = Resources(cpu=1000, memory=64 << 20, instances=1)
PLENTY = Resources(cpu=64_000, memory=64 * GIB, disk=64 * GIB, instances=1000)


def node(name: str = "n1", cpu: int = 8000, **columns: Any) -> Node:
    usual = {
        "engine_url": f"fake://{name}",
        "reachable": True,
        "capacity_cpu": cpu,
        "capacity_memory": 16 * GIB,
        "capacity_disk": 100 * GIB,
        "capacity_instances": 500,
    }
    return Node.objects.create(name=name, **{**usual, **columns})


def group(name: str = "team", quota: Resources = PLENTY) -> Group:
    return groups.create_group(None, name, quota)


def content(name: str = "web", digest: str = "sha256:" + "1" * 64, **spec: Any) -> Content:
    parsed = parse({"name": name, "image": "web:1", "resources": {"cpu": 0.25, "memory": "64MiB"}, **spec})
    return Content(with_port(parsed.spec, None), digest, parsed.env)


def app(of: Group, name: str = "web", **spec: Any) -> App:
    """An app with a first release and the operation that made it, as a request leaves it."""
    row = App.objects.create(group=of, name=name)
    release = releases.publish(row, content(name, **spec), None)
    operations.begin(None, row, OperationKind.CREATE, release.number)
    return row


def deploy(row: App, **spec: Any) -> Operation:
    """Another release of it."""
    with transaction.atomic():
        row = App.objects.get(pk=row.pk)
        release = releases.publish(row, content(row.name, **spec), None)
        return operations.begin(None, row, OperationKind.DEPLOY, release.number)


def last_operation() -> Operation:
    return Operation.objects.latest("created_at")


def running(app: App) -> list[Instance]:
    """Its instances that are not gone, by slot."""
    return list(Instance.objects.filter(app=app, gone_at=None).order_by("slot"))


def state(app: App) -> AppState:
    """The app as the loop reads it, without edges."""
    found = reading.app_state(app.id, (), {})
    assert found is not None
    return found


def assign(app: App, node: str, slot: int = 0) -> Instance:
    """Have an instance that claims `CLAIM` assigned to the node, as if the placement had chosen it."""
    at = state(app)
    create = Create(slot, at.next_generation, 0, because("slot_empty", slot=slot))
    committing.assignments(at, [committing.Assignment(create, node)], CLAIM, timezone.now())
    return Instance.objects.get(app=app, generation=create.generation)
