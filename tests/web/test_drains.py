"""Drains and rebalancing as ops ask for them: API and panel. What the loop makes of it is in `scheduler/`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from apps.applications.models import App, Instance
from apps.events.models import Event
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.placement.models import RebalancePolicy
from scheduler import relocation
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from scheduler.world import the_world
from tests.web.api import Api, problem
from tests.web.conftest import GIB, IMAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(people: SimpleNamespace, engine: FakeEngine) -> Api:
    return Api(people.admin)


@pytest.fixture
def app(people: SimpleNamespace, group: Group, engine: FakeEngine) -> App:
    """Two instances, both on n1."""
    Api(people.developer).post("/groups/shop/apps", {"name": "web", "image": IMAGE, "replicas": 2})
    app, now = App.objects.get(), timezone.now()
    for slot in range(2):
        Instance.objects.create(
            app=app, group=group, release=app.release, node=Node.objects.get(), slot=slot, generation=slot + 1,
            template="t", address=f"10.96.0.{slot + 2}", cpu=250, memory=1 << 20, disk=0, state=State.HEALTHY,
            since=now, created_at=now, healthy_at=now,
        )  # fmt: skip
    App.objects.update(settled=True)
    return app


def another_node(**columns: object) -> Node:
    usual = {"capacity_cpu": 16_000, "capacity_memory": 32 * GIB, "capacity_disk": 100 * GIB, "capacity_instances": 100}
    return Node.objects.create(name="n2", engine_url="fake://n2", reachable=True, **{**usual, **columns})


def look() -> None:
    """What a worker does about drains."""
    relocation.drain(the_world())


def test_a_drain_is_begun_followed_and_ended(admin: Api, app: App) -> None:
    another_node()
    begun = admin.post("/nodes/n1/drain")
    assert (begun.status_code, begun["Location"]) == (202, "/api/v1/nodes/n1/drain")
    shown = begun.json()
    assert (shown["draining"], shown["by"], shown["left"], shown["moving"]) == (True, "admin", 2, 0)
    assert shown["hindered"] == []
    assert admin.get("/nodes/n1").json()["state"] == "draining"
    look()
    assert admin.get("/nodes/n1/drain").json()["moving"] == 2
    assert set(Instance.objects.values_list("relocate", "relocate_by")) == {("drain", "admin")}
    assert admin.delete("/nodes/n1/drain").status_code == 204
    look()
    ended = admin.get("/nodes/n1/drain").json()
    assert (ended["draining"], ended["moving"], ended["since"]) == (False, 0, None)
    kinds = Event.objects.filter(node__name="n1").values_list("kind", flat=True)
    assert list(kinds) == ["node.drain_ended", "node.draining"]


def test_a_drain_that_is_asked_for_twice_is_one(admin: Api, app: App) -> None:
    first = admin.post("/nodes/n1/drain").json()
    assert admin.post("/nodes/n1/drain").json()["since"] == first["since"]
    assert Event.objects.filter(kind="node.draining").count() == 1
    assert admin.delete("/nodes/n1/drain").status_code == admin.delete("/nodes/n1/drain").status_code == 204
    assert problem(admin.post("/nodes/nowhere/drain"))["status"] == 404
    assert problem(admin.post("/nodes/n1/drain", {"now": True}))["errors"][0]["field"] == "now"


def test_a_dry_run_drains_nothing(admin: Api, app: App) -> None:
    assert admin.post("/nodes/n1/drain?dry_run=1").json()["draining"] is True
    assert not Node.objects.get().draining
    assert not Event.objects.filter(kind="node.draining").exists()


def test_it_is_said_what_has_nowhere_to_go(admin: Api, app: App) -> None:
    another_node(capacity_memory=1000)
    admin.post("/nodes/n1/drain")
    look()
    [hindered] = admin.get("/nodes/n1/drain").json()["hindered"]
    assert (hindered["app"], hindered["instances"]) == ("shop/web", 2)
    assert "memory short on 1" in hindered["reason"]
    assert "1 draining" in hindered["reason"]


def test_a_drained_node_is_said_to_be_and_can_be_removed(admin: Api, app: App) -> None:
    admin.post("/nodes/n1/drain")
    Instance.objects.update(state=State.GONE, gone_at=timezone.now())
    look()
    shown = admin.get("/nodes/n1/drain").json()
    assert shown["left"] == 0
    assert shown["drained_at"] is not None
    assert admin.delete("/nodes/n1").status_code == 204


def test_the_panel_drains_and_takes_back(people: SimpleNamespace, app: App) -> None:
    another_node(capacity_memory=1000)
    client = Client()
    client.force_login(people.admin)
    assert "Drain n1?" in client.get("/nodes/n1/").content.decode()
    assert client.post("/nodes/n1/drain").status_code == 302
    look()
    page = client.get("/nodes/n1/").content.decode()
    for text in ("asked for by admin", "2 instances are left", "shop/web", "short on 1", "End the drain"):
        assert text in page
    client.post("/nodes/n1/drain/end")
    assert Node.objects.get(name="n1").state == "ready"
    client.force_login(people.owner)
    assert client.post("/nodes/n1/drain").status_code == 403
    assert client.post("/nodes/n1/drain/end").status_code == 403


def test_what_would_move_is_planned_with_its_gain_and_nothing_moves(admin: Api, app: App) -> None:
    another_node()
    planned = admin.post("/placement/rebalance?dry_run=true").json()["moves"]
    assert [(move["app"], move["source"], move["target"]) for move in planned] == [("shop/web", "n1", "n2")]
    assert planned[0]["instance"] == "0-1"
    assert planned[0]["gain"] >= 2000
    assert not Instance.objects.exclude(relocate="").exists()
    assert not Event.objects.filter(kind="cluster.rebalance_asked").exists()


def test_a_rebalancing_is_asked_for_and_counted(admin: Api, app: App) -> None:
    another_node()
    begun = admin.post("/placement/rebalance")
    assert begun.status_code == 202
    relocation.rebalance_now(the_world(), asked=True)
    assert admin.get("/placement/rebalance").json() == {"enabled": True, "most": 10, "under_way": 1}
    assert Event.objects.filter(kind="cluster.rebalance_asked").exists()


def test_ops_turn_it_off_and_say_how_many(admin: Api) -> None:
    assert admin.patch("/placement/rebalance?dry_run=1", {"enabled": False}).json()["enabled"] is False
    assert admin.get("/placement/rebalance").json()["enabled"] is True
    assert admin.patch("/placement/rebalance", {"enabled": False, "most": 3}).json()["most"] == 3
    assert admin.patch("/placement/rebalance", {}).json() == {"enabled": False, "most": 3, "under_way": 0}
    assert Event.objects.filter(kind="cluster.rebalance_set").count() == 1
    assert problem(admin.patch("/placement/rebalance", {"most": 0}))["errors"][0]["field"] == "most"


def test_the_panel_shows_what_would_move_and_changes_the_policy(people: SimpleNamespace, app: App) -> None:
    another_node()
    client = Client()
    client.force_login(people.admin)
    assert "Move now" in client.get("/placement/").content.decode()
    page = client.get("/placement/?moves=1").content.decode()
    assert "shop/web" in page
    assert "0-1" in page
    client.post("/placement/rebalance/policy", {"most": "4"})
    assert RebalancePolicy.objects.values_list("enabled", "most").get() == (False, 4)
    client.post("/placement/rebalance/policy", {"most": "none"})
    assert RebalancePolicy.objects.get().most == 4
    assert client.post("/placement/rebalance").status_code == 302
    client.force_login(people.owner)
    assert client.post("/placement/rebalance").status_code == 403
    assert client.post("/placement/rebalance/policy", {"most": "1"}).status_code == 403
