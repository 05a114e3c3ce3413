"""The report of an operation: who came and went during it, and when."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.applications.models import App, Instance
from apps.operations import report
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


def test_what_was_placed_before_the_operation_was_said_to_have_begun_is_part_of_it(
    update: Operation, people: SimpleNamespace
) -> None:
    Operation.objects.filter(pk=update.pk).update(started_at=update.ended_at)
    items = Api(people.admin).get(f"/operations/{update.pk}/instances").json()["items"]
    assert {item["id"] for item in items} == {"0-1", "1-2", "0-3", "1-4"}


@pytest.fixture
def measured(update: Operation, traffic: FakeSource) -> FakeSource:
    """What was served while it was under way."""
    traffic.points = [Point(0, 10, {1: Figures({Outcome.SERVED: 70_001}), 2: Figures({Outcome.ERROR: 80_002})})]
    now = timezone.now()
    Operation.objects.filter(pk=update.pk).update(started_at=now - timedelta(seconds=40), ended_at=now)
    return traffic


def test_its_page_and_the_api_say_how_many_requests_there_were_and_failed(
    update: Operation, people: SimpleNamespace, measured: FakeSource, client
) -> None:
    client.force_login(people.admin)
    page = client.get(f"/operations/{update.pk}").content.decode()
    assert "<dd>150003</dd>" in page
    assert '<dd class="text-danger">80002</dd>' in page
    report = Api(people.admin).get(f"/operations/{update.pk}").json()["report"]
    assert report["served"] == {"requests": 150_003, "failed": 80_002, "outcomes": {"2xx": 70_001, "5xx": 80_002}}
    assert report["served_unknown"] is None


def test_a_report_has_when_each_instance_took_each_step(update: Operation, people: SimpleNamespace) -> None:
    api = Api(people.admin)
    report = api.get(f"/operations/{update.pk}?wait=1").json()["report"]
    listed = {item["id"]: item for item in api.get(f"/operations/{update.pk}/instances").json()["items"]}
    assert report["more_instances"] is False
    assert [one["id"] for one in report["instances"]] == ["0-1", "1-2", "0-3", "1-4"]
    for one in report["instances"]:
        assert one == {name: listed[one["id"]][name] for name in one}
    assert moments(report["instances"]) == moments(list(listed.values()))


def test_a_report_of_many_instances_says_that_there_are_more(
    update: Operation, people: SimpleNamespace, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST_INSTANCES", 3)
    shown = Api(people.admin).get(f"/operations/{update.pk}").json()["report"]
    assert ([one["id"] for one in shown["instances"]], shown["more_instances"]) == (["0-1", "1-2", "0-3"], True)
    client.force_login(people.admin)
    assert '<span class="count">3+</span>' in client.get(f"/operations/{update.pk}").content.decode()


@pytest.mark.parametrize("code", ["not_begun", "too_long_ago", "group_gone", "traffic_unavailable"])
def test_where_figures_are_not_to_be_had_page_and_api_say_why(
    update: Operation, people: SimpleNamespace, measured: FakeSource, client, code: str
) -> None:
    rows = Operation.objects.filter(pk=update.pk)
    if code == "not_begun":
        rows.update(started_at=None)
    elif code == "too_long_ago":
        rows.update(started_at=timezone.now() - timedelta(hours=1))
    elif code == "group_gone":
        rows.update(group=None)
    else:
        measured.unavailable = "away"
    report = Api(people.admin).get(f"/operations/{update.pk}").json()["report"]
    assert report["served"] is None
    assert report["served_unknown"]["code"] == code
    client.force_login(people.admin)
    page = client.get(f"/operations/{update.pk}").content.decode()
    assert "150003" not in page
    assert report["served_unknown"]["message"] in page
