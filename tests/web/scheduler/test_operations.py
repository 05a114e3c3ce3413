"""Operations on their way and at their end: what they wait for, and steps that end with them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps as installed
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import App
from apps.groups.models import Group
from apps.operations import services as operations
from apps.operations.models import Operation
from apps.operations.steps import close
from scheduler.model import OperationStatus
from tests.web.api import Api
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LARGE = {"cpu": 1, "memory": "32GiB"}


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin")


def statuses(operation: Operation) -> list[tuple[str, str]]:
    operation.refresh_from_db()
    assert all(step["ended_at"] for step in operation.steps if step["status"] == "unfinished")
    return [(step["name"], step["status"]) for step in operation.steps]


def stuck(sim: Sim, group: Group) -> tuple[App, Operation]:
    """An app whose instances run and do not become healthy."""
    sim.sick_digests.add("sha256:" + "1" * 64)
    app = build.app(group, replicas=2)
    for _round in range(3):
        sim.round()
    operation = app.operations.get()
    assert statuses(operation) == [("place", "done"), ("start", "done"), ("health", "running"), ("retire", "waiting")]
    return app, operation


OVER = [("place", "done"), ("start", "done"), ("health", "unfinished"), ("retire", "skipped")]


def test_the_steps_of_a_superseded_operation_end(sim: Sim, group: Group) -> None:
    app, operation = stuck(sim, group)
    services.stop(None, app)
    assert statuses(operation) == OVER
    assert operation.status == OperationStatus.SUPERSEDED


def test_the_steps_of_a_cancelled_operation_end(sim: Sim, group: Group) -> None:
    _app, operation = stuck(sim, group)
    operations.cancel(None, operation)
    assert statuses(operation) == OVER


def test_the_steps_of_a_failed_operation_end_and_one_is_to_blame(sim: Sim, group: Group) -> None:
    _app, operation = stuck(sim, group)
    for _round in range(400):
        sim.round()
        sim.pass_time(2)
        operation.refresh_from_db()
        if operation.ended:
            break
    assert operation.status == OperationStatus.FAILED
    found = dict(statuses(operation))
    assert found.pop(operation.error["step"]) == "failed"
    assert not {"running", "waiting"} & set(found.values())
    assert operation.waits_for is None


def test_an_operation_that_the_loop_has_ended_is_not_ended_again(sim: Sim, group: Group) -> None:
    app = build.app(group, replicas=1)
    under_way = app.operations.get()
    sim.converge()
    with transaction.atomic():
        operations.end(under_way, OperationStatus.SUPERSEDED)
    under_way.refresh_from_db()
    assert under_way.status == OperationStatus.SUCCEEDED


def test_a_step_that_was_done_stays_done() -> None:
    step = {"name": "place", "status": "done", "done": 1, "of": 1, "started_at": "then", "ended_at": "then"}
    for status in OperationStatus:
        assert close([step], status, timezone.now()) == [step]


def test_an_operation_that_waits_for_room_says_for_which_and_on_how_many_nodes(
    sim: Sim, group: Group, admin: User
) -> None:
    app = build.app(group, replicas=1, resources=TOO_LARGE)
    sim.round()
    operation = app.operations.get()
    shown = Api(admin).get(f"/operations/{operation.pk}").json()["waits_for"]
    assert shown["code"] == "awaiting_placement"
    assert "0 of 1 nodes fit: memory short on 1" in shown["message"]
    assert [(s["filter"], s["subject"], s["nodes"]) for s in shown["shortages"]] == [("resources", "memory", 1)]
    assert Api(admin).get("/operations").json()["items"][0]["waits_for"] == shown
    page = page_of(operation, admin)
    assert "memory short on 1 (needs 32 GiB" in page
    assert shown["shortages"][0]["remedy"] in page
    chinese = Api(admin).get(f"/operations/{operation.pk}", accept_language="zh-hans").json()["waits_for"]["message"]
    assert "内存" in chinese
    assert "memory" not in chinese
    services.change_app(None, app, {"resources": {"memory": "64MiB"}})
    sim.converge()
    operation.refresh_from_db()
    assert operation.waits_for is None
    assert app.operations.latest("created_at").waits_for is None


def test_an_operation_says_what_else_it_waits_for(sim: Sim, group: Group, admin: User) -> None:
    _app, operation = stuck(sim, group)
    shown = Api(admin).get(f"/operations/{operation.pk}").json()["waits_for"]
    assert (shown["code"], shown["shortages"]) == ("awaiting_health", [])
    assert shown["message"] in page_of(operation, admin)


def page_of(operation: Operation, user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.get(reverse("operation", args=[operation.pk])).text


def test_operations_of_before_are_closed_by_the_migration(sim: Sim, group: Group) -> None:
    _app, operation = stuck(sim, group)
    Operation.objects.update(status="cancelled", ended_at=timezone.now())
    migration: Any = import_module("apps.operations.migrations.0002_waits_for")
    migration.close_steps(installed, None)
    assert statuses(operation) == OVER
