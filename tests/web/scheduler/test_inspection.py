"""Engines as they are found: another node's, dead from the beginning, back again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from apps.events.models import Event
from apps.nodes.models import Node
from apps.nodes.services import enrol
from scheduler import inspection
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db


@pytest.fixture
def sim(db: None) -> Sim:
    build.node()
    return Sim(nodes=("n1", "n2"))


def enrolled_again(sim: Sim, name: str = "n2") -> Node:
    """The first node's engine under another address."""
    sim.engines[name] = sim.engine
    return enrol(name, f"tcp://{name}.example:2375")


def page(people: SimpleNamespace) -> str:
    browser = Client()
    browser.force_login(people.admin)
    return browser.get(reverse("node", args=["n2"])).content.decode()


def events() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def test_an_engine_that_another_node_has_is_refused_and_the_node_says_whose_it_is(sim: Sim) -> None:
    sim.observe()
    twin = enrolled_again(sim)
    sim.observe()
    sim.observe()
    twin.refresh_from_db()
    assert not twin.reachable
    assert twin.problem == "this is the engine of the node n1 (fake://n1); remove one of the two"
    assert twin.engine_id == ""
    assert events().count("node.refused") == 1
    assert Node.objects.get(name="n1").reachable


def test_when_the_first_node_is_removed_the_engine_is_the_others(sim: Sim) -> None:
    sim.observe()
    enrolled_again(sim)
    sim.observe()
    Node.objects.get(name="n1").delete()
    inspection.check_node("n2", sim.engine, sim.now)
    assert Node.objects.get(name="n2").reachable


def test_of_two_that_were_looked_at_at_once_the_older_keeps_the_engine(sim: Sim) -> None:
    enrolled_again(sim)
    Node.objects.update(engine_id=sim.engine.info().id, reachable=True)
    for name in ("n2", "n1", "n2", "n1"):
        inspection.check_node(name, sim.engine, sim.now)
    assert list(Node.objects.order_by("name").values_list("name", "reachable")) == [("n1", True), ("n2", False)]


def test_engines_of_their_own_are_taken(sim: Sim) -> None:
    enrol("n2", "tcp://n2.example:2375")
    sim.observe()
    assert set(Node.objects.values_list("reachable", flat=True)) == {True}


def test_a_dead_engine_says_from_the_beginning_what_was_tried_and_why_it_failed(
    sim: Sim, people: SimpleNamespace
) -> None:
    sim.engines["n2"].kill_engine()
    enrol("n2", "tcp://n2.example:2375")
    sim.observe()
    sim.observe()
    said = "tcp://n2.example:2375: the engine does not answer"
    node = Api(people.admin).get("/nodes/n2").json()
    assert (node["state"], node["problem"]) == ("down", said)
    assert said in page(people)
    assert events().count("node.unreachable") == 1


def test_a_node_that_was_not_looked_at_yet_says_so(sim: Sim, people: SimpleNamespace) -> None:
    enrol("n2", "tcp://n2.example:2375")
    assert "until Berth has looked at" in page(people)


def test_each_fake_engine_is_an_engine_of_its_own() -> None:
    assert FakeEngine("a", name="n1").info().id != FakeEngine("a", name="n2").info().id
