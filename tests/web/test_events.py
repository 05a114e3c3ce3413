"""History: what is recorded, how it reads, who hears of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import transaction
from django.utils import translation

from apps.applications.models import App
from apps.events import services
from apps.events.messages import MESSAGES, sentence
from apps.events.models import Event
from apps.events.services import record
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations.services import begin
from apps.reasons import said
from scheduler.model import OperationKind
from scheduler.reasons import TEMPLATES, because
from tests.web.api import Api


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(services.live, "announce", lambda *topics: heard.extend(topics))
    return heard


@pytest.mark.django_db
def test_names_are_kept_with_the_event(group: Group, people: SimpleNamespace, hints: list[str]) -> None:
    app = App.objects.create(group=group, name="web")
    node = Node.objects.create(name="n1", engine_url="fake://n1")
    operation = begin(people.owner, app, OperationKind.CREATE)
    hints.clear()
    event = record("instance.started", app=app, node=node, operation=operation, slot=0, generation=1)
    assert event.params == {
        "app": "web", "group": "shop", "node": "n1", "operation": "create", "slot": 0, "generation": 1,
    }  # fmt: skip
    assert event.group == group
    assert hints == ["events", f"group.{group.pk}", f"app.{app.pk}", "nodes", f"operation.{operation.pk.hex}"]
    app.delete()
    node.delete()
    event.refresh_from_db()
    assert (event.app, event.node) == (None, None)
    assert sentence(event.kind, event.params) == "instance 0-1 of web started on n1"


@pytest.mark.django_db
def test_a_node_by_name_alone_is_no_part_of_its_history(group: Group, hints: list[str]) -> None:
    app = App.objects.create(group=group, name="web")
    event = record("instance.assigned", group=group, app=app, node="n9", slot=1, generation=2)
    assert (event.node, event.params["node"]) == (None, "n9")
    assert "nodes" not in hints


@pytest.mark.django_db
def test_an_event_without_a_sentence_is_a_fault() -> None:
    with pytest.raises(KeyError):
        record("app.vanished")


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_never_happened(group: Group) -> None:
    before = Event.objects.count()
    with transaction.atomic():
        record("app.created", group=group)
        transaction.set_rollback(True)
    assert Event.objects.count() == before


def test_a_reason_follows_its_event() -> None:
    why = because("exited", code=137)
    params = {"slot": 0, "generation": 3, "app": "web"}
    assert sentence("instance.failed", params, why.as_dict()) == (
        "instance 0-3 of web failed: its process ended with code 137"
    )
    assert said(why) == "its process ended with code 137"
    assert said(None) == ""


def test_old_rows_leave_gaps_and_break_nothing() -> None:
    assert sentence("instance.failed", {}) == "instance …-… of … failed"
    assert sentence("app.from_the_future", {}) == "app.from_the_future"
    assert said({"code": "from_the_future"}) == "from_the_future"
    assert said({"code": "exited", "params": {}}) == "its process ended with code …"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_sentence_can_be_made_in_every_language(language: str) -> None:
    with translation.override(language):
        for kind in MESSAGES:
            assert sentence(kind, {})
        for code in TEMPLATES:
            assert said({"code": code, "params": {}})


@pytest.mark.django_db
def test_members_read_the_events_of_their_groups_alone(group: Group, other: Group, people: SimpleNamespace) -> None:
    record("node.cordoned", node=Node.objects.create(name="n1", engine_url="fake://n1"))
    seen = {user: Api(getattr(people, user)).get("/events").json()["items"] for user in ("viewer", "outsider", "admin")}
    assert {event["group"] for event in seen["viewer"]} == {"shop"}
    assert {event["group"] for event in seen["outsider"]} == {"other"}
    assert {event["group"] for event in seen["admin"]} == {"shop", "other", None}
