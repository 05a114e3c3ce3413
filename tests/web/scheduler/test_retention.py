"""What is old enough is deleted, in batches, and what is in use is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.models import Min
from django.utils import timezone

from apps.accounts.models import LoginFailures, User
from apps.applications import services
from apps.applications.models import App, Instance, Release
from apps.errors import Invalid
from apps.events.models import Event
from apps.events.services import record
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations.models import Operation
from apps.operations.services import begin, end
from apps.rest.models import IdempotencyKey
from scheduler.lifecycle import State
from scheduler.model import OperationKind, OperationStatus
from scheduler.schedule import PRUNE, SCHEDULE
from scheduler.store import retention
from scheduler.tasks import prune as task
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def group() -> Group:
    build.node()
    return build.group()


@pytest.fixture(autouse=True)
def few(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BERTH = replace(settings.BERTH, keep_events=10, keep_operations=10, keep_releases=3)
    monkeypatch.setattr(retention, "BATCH", 4)
    monkeypatch.setattr(retention, "NEWEST_OPERATIONS", 3)


def days_ago(count: float) -> datetime:
    return NOW - timedelta(days=count)


def operations(app: App, *ages: float) -> list[Operation]:
    """Ended so many days ago."""
    made = []
    for age in ages:
        operation = begin(None, app, OperationKind.RESTART)
        end(operation, OperationStatus.CANCELLED)
        Operation.objects.filter(pk=operation.pk).update(created_at=days_ago(age), ended_at=days_ago(age))
        made.append(operation)
    return made


def test_events_go_when_they_are_old(group: Group) -> None:
    Event.objects.all().delete()
    for number in range(25):
        event = record("group.quota_set", group=group)
        Event.objects.filter(pk=event.pk).update(at=days_ago(25 - number))
    assert retention.prune(NOW)["events"] == 15
    assert Event.objects.aggregate(oldest=Min("at"))["oldest"] == days_ago(10)


def test_the_newest_operations_of_each_app_stay_however_old_they_are(group: Group) -> None:
    web, api = build.app(group, "web"), build.app(group, "api")
    Operation.objects.all().delete()
    old = operations(web, *range(40, 20, -1))
    young = operations(web, 5, 4)
    others = operations(api, 50, 49)
    assert retention.prune(NOW)["operations"] == 19
    kept = set(Operation.objects.values_list("pk", flat=True))
    assert kept == {operation.pk for operation in (old[-1], *young, *others)}


def test_operations_under_way_and_young_ones_stay(group: Group) -> None:
    app = build.app(group)
    under_way = app.operations.get()
    Operation.objects.update(created_at=days_ago(100))
    end(under_way, OperationStatus.CANCELLED)
    operations(app, 9, 8, 7, 6, 5)
    begin(None, app, OperationKind.RESTART)
    assert retention.prune(NOW)["operations"] == 0


def test_operations_of_apps_that_are_gone_go_when_they_are_old(group: Group) -> None:
    app = build.app(group)
    operations(app, 20, 5)
    Operation.objects.filter(kind=OperationKind.CREATE).delete()
    Operation.objects.update(app=None)
    assert retention.prune(NOW)["operations"] == 1
    assert Event.objects.filter(kind="operation.cancelled").count() == 2, "an event outlives its operation"


def instance(app: App, release: Release, generation: int, gone_at: datetime | None) -> Instance:
    return Instance.objects.create(
        app=app, group=app.group, release=release, node=Node.objects.get(),
        slot=0, generation=generation, template="t", address=f"10.96.0.{generation}", cpu=1, memory=1, disk=0,
        state=State.GONE, since=NOW, created_at=NOW, gone_at=gone_at,
    )  # fmt: skip


def test_releases_that_are_in_use_or_among_the_newest_stay(group: Group) -> None:
    app = build.app(group)
    for _time in range(11):
        build.deploy(app)
    numbered = {release.number: release for release in app.releases.all()}
    App.objects.update(last_good=numbered[2])
    instance(app, numbered[5], 1, days_ago(1))
    instance(app, numbered[6], 2, days_ago(8))
    counts = retention.prune(NOW)
    assert counts["instances"] == 1
    retention.prune(NOW)
    retention.prune(NOW)
    assert sorted(app.releases.values_list("number", flat=True)) == [2, 5, 10, 11, 12]


def test_a_release_can_be_gone_back_to_as_long_as_it_is_kept(group: Group) -> None:
    app = build.app(group)
    for number in range(2, 7):
        build.deploy(app, replicas=number)
    retention.prune(NOW)
    services.rollback(None, app, 4)
    assert App.objects.get().release.made_from == 4
    with pytest.raises(Invalid, match="no such release"):
        services.rollback(None, app, 3)


def test_the_releases_of_an_app_that_goes_are_left_to_its_deletion(group: Group) -> None:
    app = build.app(group)
    for _time in range(5):
        build.deploy(app)
    App.objects.update(deleting=True)
    assert retention.prune(NOW)["releases"] == 0


def test_what_requests_leave_behind_goes(group: Group) -> None:
    user = User.objects.create_user("someone")
    for number in range(6):
        IdempotencyKey.objects.create(user=user, key=str(number))
        Session.objects.create(session_key=str(number), expire_date=days_ago(number - 2.5))
    IdempotencyKey.objects.exclude(key="0").update(created_at=days_ago(2))
    LoginFailures.objects.create(username="x", source="192.0.2.1", last_at=days_ago(1))
    counts = retention.prune(NOW)
    assert (counts["idempotency_keys"], counts["sessions"], counts["login_failures"]) == (5, 3, 1)
    assert IdempotencyKey.objects.get().key == "0"


def test_a_run_is_bounded_and_the_next_goes_on(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCHES", 2)
    Event.objects.all().delete()
    for _time in range(10):
        record("group.quota_set", group=group)
    Event.objects.update(at=days_ago(20))
    assert [retention.prune(NOW)["events"] for _run in range(3)] == [8, 2, 0]


def test_it_is_run_by_beat(group: Group) -> None:
    assert PRUNE in {entry["task"] for entry in SCHEDULE.values()}
    assert task.name == PRUNE
    record("group.quota_set", group=group)
    Event.objects.update(at=days_ago(20))
    task()
    assert not Event.objects.exists()
