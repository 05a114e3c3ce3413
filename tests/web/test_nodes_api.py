"""Nodes and instances through the API."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from apps.applications.models import App, Instance
from apps.events.models import Event
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.nodes.services import enrol
from scheduler import queries
from scheduler.engine.base import LogLine
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from scheduler.reasons import because
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

SYSTEM = {"cpu": 1, "memory": 0, "disk": 0}
INSTANCES = "/groups/shop/apps/web/instances"


@pytest.fixture
def admin(people: SimpleNamespace, engine: FakeEngine) -> Api:
    return Api(people.admin)


@pytest.fixture
def instance(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Instance:
    Api(people.developer).post("/groups/shop/apps", {"name": "web", "image": IMAGE, "env": {"KEY": "s3cret"}})
    app, now = App.objects.get(), timezone.now()
    return Instance.objects.create(
        app=app, group=group, release=app.release, node=Node.objects.get(), slot=0, generation=3, template="t",
        address="10.96.0.2", cpu=250, memory=1 << 20, disk=0, state=State.UNHEALTHY, since=now, created_at=now,
        reason=because("probe_down", verdict="L7STS/500").as_dict(),
        probes={"edge": {"up": False, "since": now.isoformat(), "detail": "L7STS/500", "sessions": 2}},
    )  # fmt: skip


def test_a_node_is_enrolled_once_however_often_it_is_asked_for(admin: Api) -> None:
    new = {"name": "n2", "engine_url": "tcp://10.0.0.2:2375", "labels": {"zone": "a"}}
    response = admin.post("/nodes", new)
    assert (response.status_code, response["Location"]) == (201, "/api/v1/nodes/n2")
    assert response.json()["state"] == "down"
    assert admin.post("/nodes", {**new, "labels": {"zone": "b"}}).json()["labels"] == {"zone": "b"}
    assert Node.objects.count() == 2
    assert problem(admin.post("/nodes", {**new, "engine_url": "tcp://10.0.0.3:2375"}))["code"] == "node_exists"
    assert problem(admin.post("/nodes", {**new, "name": "n3"}))["code"] == "engine_exists"


def test_enrolling_without_labels_leaves_them(people: SimpleNamespace) -> None:
    enrol("n2", "tcp://10.0.0.2:2375", {"zone": "a"})
    assert enrol("n2", "tcp://10.0.0.2:2375").labels == {"zone": "a"}


def test_ops_change_what_is_theirs_of_a_node(admin: Api) -> None:
    changes = {
        "cordoned": True,
        "labels": {"disk": "ssd"},
        "system": {"cpu": 0.5, "memory": "1GiB", "disk": 0},
    }
    changed = admin.patch("/nodes/n1", changes).json()
    assert (changed["state"], changed["labels"], changed["system"]["cpu"]) == ("cordoned", {"disk": "ssd"}, 0.5)
    assert admin.patch("/nodes/n1", {"cordoned": False}).json()["state"] == "ready"


def test_taints_keep_apps_off_and_overcommit_lends_out_twice(admin: Api) -> None:
    taints = [{"key": "gpu", "value": "yes"}, {"key": "old", "soft": True}]
    changed = admin.patch("/nodes/n1", {"taints": taints, "overcommit": {"cpu": 150}, "system": SYSTEM}).json()
    assert changed["taints"] == [
        {"key": "gpu", "value": "yes", "soft": False},
        {"key": "old", "value": "", "soft": True},
    ]
    assert changed["overcommit"] == {"cpu": 150, "memory": 100, "disk": 100}
    assert (changed["capacity"]["cpu"], changed["allocatable"]["cpu"]) == (16, 22.5), "the reserve is not lent out"
    assert admin.patch("/nodes/n1", {"overcommit": {"memory": 200}}).json()["overcommit"]["cpu"] == 150
    kinds = list(Event.objects.filter(node__name="n1").order_by("id").values_list("kind", flat=True))
    assert kinds == ["node.tainted", "node.system_set", "node.overcommit_set", "node.overcommit_set"]
    assert admin.patch("/nodes/n1", {"taints": []}).json()["taints"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"taints": [{"key": "a b"}]}, "taints[0].key"),
        ({"taints": [{"key": "a", "value": "x=y"}]}, "taints[0].value"),
        ({"taints": [{"key": "a"}, {"key": "a"}]}, "taints[1]"),
        ({"taints": [{"value": "a"}]}, "taints[0].key"),
        ({"taints": [{"key": "a", "effect": "NoSchedule"}]}, "taints[0].effect"),
        ({"taints": [{"key": f"k{n}"} for n in range(33)]}, "taints"),
        ({"overcommit": {"cpu": 99}}, "overcommit.cpu"),
        ({"overcommit": {"memory": 1001}}, "overcommit.memory"),
        ({"overcommit": {"instances": 200}}, "overcommit.instances"),
        ({"overcommit": {"disk": 1.5}}, "overcommit.disk"),
    ],
)
def test_wrong_taints_and_ratios_are_refused_by_field(admin: Api, change: dict[str, Any], field: str) -> None:
    refused = problem(admin.patch("/nodes/n1", change))
    assert [error["field"] for error in refused["errors"]] == [field]
    node = Node.objects.get()
    assert (node.taints, node.overcommit) == ([], {"cpu": 100, "memory": 100, "disk": 100})


def test_a_node_goes_when_nothing_is_on_it_and_its_history_stays(admin: Api, instance: Instance) -> None:
    assert problem(admin.delete("/nodes/n1"))["code"] == "node_has_instances"
    Instance.objects.update(gone_at=timezone.now(), state=State.GONE)
    assert admin.delete("/nodes/n1").status_code == 204
    shown = admin.get(f"{INSTANCES}/0-3").json()
    assert (shown["node"], shown["state"]) == (None, "gone")


def test_members_see_their_instances_with_reasons_and_probes(people: SimpleNamespace, instance: Instance) -> None:
    response = Api(people.viewer).get(INSTANCES)
    shown = response.json()["items"][0]
    assert (shown["id"], shown["node"], shown["state"]) == ("0-3", "n1", "unhealthy")
    assert shown["reason"]["message"] == "an edge reports it down: L7STS/500"
    assert shown["probes"]["edge"]["detail"] == "L7STS/500"
    assert shown["claim"] == {"cpu": 0.25, "memory": 1 << 20, "disk": 0, "instances": 1}
    assert b"s3cret" not in response.content


def test_instances_that_are_gone_are_a_list_of_their_own(people: SimpleNamespace, instance: Instance) -> None:
    viewer = Api(people.viewer)
    assert viewer.get(f"{INSTANCES}?gone=true").json()["items"] == []
    Instance.objects.update(gone_at=timezone.now(), log_tail="first\nlast", failed=True)
    assert viewer.get(INSTANCES).json()["items"] == []
    assert [i["failed"] for i in viewer.get(f"{INSTANCES}?gone=true").json()["items"]] == [True]
    lines = viewer.get(f"{INSTANCES}/0-3/logs?tail=1").json()["lines"]
    assert lines == [{"at": None, "stream": None, "text": "last"}]


def test_logs_come_from_the_engine(
    people: SimpleNamespace, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime.fromisoformat("2026-01-02T03:04:05+00:00")

    def logs(id: int, *, tail: int) -> list[LogLine]:
        assert (id, tail) == (instance.pk, 7)
        return [LogLine(at, "stderr", "<b>ready</b>")]

    monkeypatch.setattr(queries, "logs", logs)
    answer = Api(people.viewer).get(f"{INSTANCES}/0-3/logs?tail=7").json()
    assert answer == {"lines": [{"at": "2026-01-02T03:04:05Z", "stream": "stderr", "text": "<b>ready</b>"}]}


def test_logs_that_cannot_be_read_say_why(people: SimpleNamespace, instance: Instance) -> None:
    refused = problem(Api(people.viewer).get(f"{INSTANCES}/0-3/logs"))
    assert (refused["status"], refused["code"]) == (409, "logs_unavailable")


@pytest.mark.parametrize("tail", ["0", "-1", "x", "100000", "1e3"])
def test_a_wrong_tail_is_refused(people: SimpleNamespace, instance: Instance, tail: str) -> None:
    refused = problem(Api(people.viewer).get(f"{INSTANCES}/0-3/logs?tail={tail}"))
    assert refused["errors"][0]["field"] == "tail"


def test_a_pending_app_says_why(people: SimpleNamespace, instance: Instance) -> None:
    explanation: dict[str, Any] = {"summary": "0 of 1 nodes fit"}
    reason = because("awaiting_placement", explanation="memory").as_dict()
    App.objects.update(explanation=explanation, status_reason=reason)
    shown = Api(people.viewer).get("/groups/shop/apps/web").json()
    assert shown["explanation"] == explanation
    assert shown["status_reason"]["message"] == "memory"
