"""The report of an operation: who came and went during it, and when."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.applications.models import App, Instance
from apps.operations.models import Operation
from scheduler.traffic.figures import Figures, Outcome
from scheduler.traffic.source import FakeSource, Point
from tests.web.api import Api
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def update(people: SimpleNamespace) -> Operation:
    """An update of two instances that has ended."""
    build.node()
    sim = Sim()
    app = build.app(build.group(), replicas=2)
    sim.converge()
    sim.pass_time(60)
    operation = build.deploy(App.objects.get(pk=app.pk), replicas=2, env={"A": "1"})
    Operation.objects.filter(pk=operation.pk).update(created_at=sim.now)
    sim.converge()
    operation.refresh_from_db()
    assert operation.status == "succeeded"
    return operation


def moments(items: list[dict]) -> dict[str, list[str]]:
    """For each instance, which steps it took, in the order in which it took them."""
    named = ("created_at", "started_at", "healthy_at", "draining_at", "withdrawn_at", "stopping_at", "gone_at")
    return {
        item["id"]: sorted((name for name in named if item[name]), key=lambda name: (item[name], named.index(name)))
        for item in items
    }


def test_an_update_reports_each_instance_that_came_or_went(update: Operation, people: SimpleNamespace) -> None:
    items = Api(people.admin).get(f"/operations/{update.pk}/instances").json()["items"]
    came, went = ["created_at", "started_at", "healthy_at"], ["draining_at", "withdrawn_at", "stopping_at", "gone_at"]
    assert moments(items) == {"0-1": came + went, "1-2": came + went, "0-3": came, "1-4": came}


def test_what_happened_before_and_after_is_no_part_of_it(update: Operation, people: SimpleNamespace) -> None:
    Instance.objects.filter(generation=1).update(created_at=update.ended_at, draining_at=None, withdrawn_at=None)
    Instance.objects.filter(generation=3).update(created_at=update.ended_at.replace(year=2000))
    items = Api(people.admin).get(f"/operations/{update.pk}/instances").json()["items"]
    assert {item["id"] for item in items} == {"0-1", "1-2", "1-4"}


def test_its_page_shows_them(update: Operation, people: SimpleNamespace, client) -> None:
    client.force_login(people.admin)
    page = client.get(f"/operations/{update.pk}").content.decode()
    assert "told to stop" in page
    assert all(name in page for name in ("0-1", "1-2", "0-3", "1-4"))


def test_its_page_says_how_many_requests_there_were_and_failed_as_long_as_that_is_known(
    update: Operation, people: SimpleNamespace, traffic: FakeSource, client
) -> None:
    client.force_login(people.admin)
    traffic.points = [Point(0, 10, {1: Figures({Outcome.SERVED: 70_001}), 2: Figures({Outcome.ERROR: 80_002})})]
    now = timezone.now()
    Operation.objects.filter(pk=update.pk).update(started_at=now - timedelta(seconds=40), ended_at=now)
    page = client.get(f"/operations/{update.pk}").content.decode()
    assert "<dd>150003</dd>" in page
    assert '<dd class="text-danger">80002</dd>' in page
    traffic.unavailable = "away"
    assert "150003" not in client.get(f"/operations/{update.pk}").content.decode()
    traffic.unavailable = ""
    Operation.objects.filter(pk=update.pk).update(started_at=now - timedelta(hours=1))
    assert "150003" not in client.get(f"/operations/{update.pk}").content.decode()
