"""A node that never comes back: its instances are replaced, then it can be forgotten, and what it left is known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from apps.applications.models import App, Instance
from apps.errors import Conflict
from apps.events.models import Event
from apps.nodes.lost import abandon
from apps.nodes.models import Node
from scheduler import reconciler
from scheduler.lifecycle import State
from tests.web.api import Api, problem
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db


@pytest.fixture
def sim(db: None) -> Sim:
    build.node("n1")
    build.node("n2")
    return Sim(nodes=("n1", "n2"))


def lose(sim: Sim, node: str, rounds: int = 12) -> None:
    """Its engine dies with all its containers, and everyone has the time to see that."""
    sim.engines[node].kill_engine()
    sim.sick |= {record.shown.address for record in sim.engines[node].records.values()}
    for _ in range(rounds):
        sim.round()
        sim.pass_time(5)


def on(node: str) -> list[Instance]:
    return list(Instance.objects.filter(node__name=node, gone_at=None).order_by("slot"))


def test_an_abandoned_node_is_forgotten_and_says_what_is_left_there(sim: Sim, people: SimpleNamespace) -> None:
    app = build.app(build.group(), replicas=4)
    sim.converge()
    here = on("n1")
    assert here
    lose(sim, "n1")
    assert Instance.objects.filter(app=app, node__name="n2", state=State.HEALTHY).count() == 4
    answer = Api(people.admin).post("/nodes/n1/abandon")
    assert answer.status_code == 200
    assert answer.json() == {
        "left_behind": [
            {"app": "team/web", "instance": f"{row.slot}-{row.generation}", "container": row.container} for row in here
        ]
    }
    assert not Node.objects.filter(name="n1").exists()
    assert set(Instance.objects.filter(pk__in=[row.pk for row in here]).values_list("state", "node")) == {
        (State.GONE, None)
    }
    event = Event.objects.get(kind="node.abandoned")
    assert (event.params["name"], event.params["left"], event.actor) == ("n1", len(here), people.admin)
    del sim.engines["n1"]
    sim.converge()
    app.refresh_from_db()
    assert app.settled


def test_what_edges_may_still_reach_keeps_the_node(sim: Sim, people: SimpleNamespace) -> None:
    build.app(build.group(), replicas=4)
    sim.converge()
    sim.engines["n1"].kill_engine()  # and its containers run on
    sim.observe()
    refused = problem(Api(people.admin).post("/nodes/n1/abandon"))
    assert (refused["status"], refused["code"]) == (409, "node_has_instances")
    assert refused["detail"].startswith("2 instances on this node may still serve")
    assert len(on("n1")) == 2


def test_a_node_whose_engine_answers_is_drained_instead(sim: Sim, people: SimpleNamespace) -> None:
    assert problem(Api(people.admin).post("/nodes/n1/abandon"))["code"] == "node_answers"
    assert Node.objects.filter(name="n1").exists()


def test_what_was_never_seen_to_run_there_is_placed_anew(sim: Sim) -> None:
    app = build.app(build.group(), replicas=2)
    sim.engines["n1"].kill_engine()
    reconciler.reconcile(app.id, sim.world)
    lose(sim, "n1")
    assert [(row.state, row.reason["code"]) for row in on("n1")] == [(State.WITHDRAWN, "node_lost")]
    assert Instance.objects.filter(node__name="n2", state=State.HEALTHY).count() == 2
    (left,) = abandon(None, Node.objects.get(name="n1"))
    assert left.container == ""
    del sim.engines["n1"]
    sim.converge()
    assert Instance.objects.filter(node__name="n2", state=State.HEALTHY).count() == 2


def test_a_machine_that_comes_back_after_all_is_cleared_of_what_was_left(sim: Sim) -> None:
    build.app(build.group(), replicas=4)
    sim.converge()
    lose(sim, "n1")
    abandon(None, Node.objects.get(name="n1"))
    back = sim.engines.pop("n1")
    back.revive()
    assert back.records
    sim.engines["n3"] = back
    build.node("n3", reachable=False)
    sim.converge()
    left = {record.spec.labels.generation for record in back.records.values()}
    assert left <= set(Instance.objects.filter(node__name="n3", gone_at=None).values_list("generation", flat=True))
    assert Event.objects.filter(kind="orphan.removed").count() == 2


def test_an_app_that_had_instances_there_can_be_removed_then(sim: Sim, people: SimpleNamespace) -> None:
    build.app(build.group(), replicas=4)
    sim.converge()
    lose(sim, "n1")
    assert Api(people.admin).delete("/groups/team/apps/web").status_code == 202
    for _ in range(10):
        sim.round()
        sim.pass_time(5)
    assert App.objects.exists()
    abandon(None, Node.objects.get(name="n1"))
    del sim.engines["n1"]
    sim.converge()
    assert not App.objects.exists()


def test_of_two_that_abandon_it_at_once_one_is_refused(sim: Sim) -> None:
    node = Node.objects.get(name="n1")
    Node.objects.update(reachable=False)
    assert abandon(None, node) == []
    with pytest.raises(Conflict, match="just changed"):
        abandon(None, node)


def test_only_admins_abandon_nodes(sim: Sim, people: SimpleNamespace) -> None:
    assert Api(people.owner).post("/nodes/n1/abandon").status_code == 403
