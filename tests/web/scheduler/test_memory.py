"""An instance that runs out of memory says so wherever it is shown: itself, its events, the operation, the pages."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.applications.models import App, Instance
from apps.events.models import Event
from scheduler.model import OperationStatus
from tests.web.api import Api
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCE = "out of memory: limit 64 MiB"


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin")


def exhaust(sim: Sim, app: App, *, for_good: bool = True) -> None:
    """What runs of the app is killed at its limit."""
    for row in Instance.objects.filter(app=app, gone_at=None).exclude(container=""):
        sim.engine.crash(row.container, 137, for_good=for_good, oom=True)


def pages(admin: User, app: App) -> list[str]:
    client = Client()
    client.force_login(admin)
    operation = app.operations.latest("created_at")
    return [
        client.get(url).text
        for url in (
            reverse("app", args=[app.group.name, app.name]),
            reverse("operation", args=[operation.pk]),
            reverse("events"),
        )
    ]


def test_an_operation_that_fails_for_want_of_memory_says_so(sim: Sim, admin: User) -> None:
    app = build.app(build.group(), replicas=1)
    operation = app.operations.get()
    for _round in range(400):
        sim.round()
        exhaust(sim, app)
        sim.pass_time(2)
        operation.refresh_from_db()
        if operation.ended:
            break
    assert operation.status == OperationStatus.FAILED
    api = Api(admin)
    error = api.get(f"/operations/{operation.pk}").json()["error"]
    assert SENTENCE in error["reason"]["message"]
    assert (error["exit_code"], error["memory_limit"]) == (137, "64 MiB")
    failed = api.get(f"/groups/{app.group.name}/apps/web/instances?gone=true").json()["items"]
    assert any(one["oom_killed"] and SENTENCE in one["reason"]["message"] for one in failed)
    assert any(SENTENCE in event["message"] for event in api.get("/events?kind=instance.failed").json()["items"])
    for page in pages(admin, app):
        assert SENTENCE.lower() in page.lower()


def test_one_that_the_engine_brings_back_is_noted_once(sim: Sim, admin: User) -> None:
    app = build.app(build.group(), replicas=1)
    sim.converge()
    row = Instance.objects.get()
    assert not row.oom_killed
    sim.engine.update_behind_back(row.container, oom_killed=True)  # while it is down, before it is brought back
    sim.round()
    sim.engine.update_behind_back(row.container, oom_killed=False, restarts=1)
    sim.converge()
    row.refresh_from_db()
    assert (row.oom_killed, row.state) == (True, "healthy")
    (event,) = Api(admin).get("/events?kind=instance.out_of_memory").json()["items"]
    assert event["params"]["limit"] == "64 MiB"
    assert SENTENCE in pages(admin, app)[0]


def test_one_that_ends_otherwise_is_not_said_to_lack_memory(sim: Sim, admin: User) -> None:
    app = build.app(build.group(), replicas=1)
    sim.converge()
    sim.engine.crash(Instance.objects.get().container, 137, for_good=True)
    sim.converge()
    assert Event.objects.get(kind="instance.failed").reason["code"] == "exited"
    assert not Event.objects.filter(kind="instance.out_of_memory").exists()
    assert SENTENCE not in pages(admin, app)[0]
