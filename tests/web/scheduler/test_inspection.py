"""Engines as they are found: another node's, dead from the beginning, back again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from apps.applications.models import Instance
from apps.events.models import Event
from apps.nodes.models import Node
from apps.nodes.services import enrol
from scheduler import inspection, wake
from scheduler.engine.base import EngineEvent, Labels
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from scheduler.model import Process
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


class TestEvents:
    """What an engine says by itself: what the loop did needs no look, what anyone else did needs one at once."""

    @pytest.fixture
    def noticed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        apps: list[int] = []
        monkeypatch.setattr(wake, "noticed", apps.append)
        return apps

    @pytest.fixture
    def looked_at(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        nodes: list[str] = []
        monkeypatch.setattr(wake, "check_node", nodes.append)
        return nodes

    @pytest.fixture
    def instance(self, sim: Sim) -> Instance:
        build.app(build.group())
        sim.converge()
        return Instance.objects.get()

    def happens(self, sim: Sim, action: str, instance: Instance) -> None:
        labels = Labels("test", "team", "web", instance.app_id, instance.slot, instance.generation, 1, "t")
        inspection.check_container("n1", sim.engine, EngineEvent(sim.now, action, instance.container, labels))

    def test_a_container_removed_behind_berths_back_is_noticed(
        self, sim: Sim, instance: Instance, noticed: list[int]
    ) -> None:
        sim.engine.remove(instance.container)
        self.happens(sim, "destroy", instance)
        instance.refresh_from_db()
        assert (instance.process, noticed) == ("missing", [instance.app_id])

    def test_one_removed_before_it_has_ended_is_noticed(self, sim: Sim, instance: Instance, noticed: list[int]) -> None:
        Instance.objects.update(state=State.STOPPING)
        sim.engine.remove(instance.container)
        self.happens(sim, "destroy", instance)
        assert noticed == [instance.app_id]

    def test_one_that_has_ended_and_that_the_loop_removes_is_no_news(
        self, sim: Sim, instance: Instance, noticed: list[int], looked_at: list[str]
    ) -> None:
        Instance.objects.update(state=State.STOPPING, process=Process.EXITED)
        sim.engine.remove(instance.container)
        self.happens(sim, "destroy", instance)
        Instance.objects.update(state=State.GONE, gone_at=sim.now)
        self.happens(sim, "destroy", instance)
        assert (noticed, looked_at) == ([], [])

    def test_a_container_that_belongs_to_nothing_has_its_node_looked_at(
        self, sim: Sim, instance: Instance, looked_at: list[str]
    ) -> None:
        Instance.objects.update(state=State.GONE, gone_at=sim.now)
        self.happens(sim, "start", instance)
        assert looked_at == ["n1"]

    def test_a_start_that_the_loop_is_about_to_record_is_no_news(
        self, sim: Sim, instance: Instance, noticed: list[int]
    ) -> None:
        Instance.objects.update(state=State.ASSIGNED, process=Process.UNKNOWN)
        self.happens(sim, "start", instance)
        instance.refresh_from_db()
        assert (instance.process, noticed) == ("unknown", [])

    def test_a_start_of_one_that_had_ended_is_noticed(self, sim: Sim, instance: Instance, noticed: list[int]) -> None:
        Instance.objects.update(process=Process.EXITED)
        self.happens(sim, "start", instance)
        assert noticed == [instance.app_id]
