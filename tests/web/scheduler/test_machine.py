"""Anything may happen in any order: afterwards, once all is well again, what is wanted is what is there."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.applications import services
from apps.applications.models import App
from apps.nodes import services as nodes
from apps.nodes.models import Node
from apps.placement.models import PriorityClass
from scheduler import relocation
from scheduler.model import Process
from tests.web.effort import examples
from tests.web.scheduler import build
from tests.web.scheduler.sim import DIGEST, Died, Sim, dying

NAMES = ("web", "api", "vip")
NODES = ("n1", "n2")
CORE = 1000
OTHER = "web@sha256:" + "2" * 64  # an image whose instances never get well


class Cloud(RuleBasedStateMachine):
    """Users, accidents and time take turns; in between the loop runs as far as it gets."""

    @initialize()
    def begin(self) -> None:
        call_command("flush", interactive=False, verbosity=0)
        self.sim = Sim(nodes=NODES)
        for name in NODES:
            self.join(name, 5 * CORE)
        PriorityClass.objects.create(name="high", value=10)
        self.sim.sick_digests.add(OTHER)
        self.group = build.group()
        for name in NAMES[:2]:
            build.app(self.group, name, replicas=3, **self.asks(name))
        self.go_on(2, 4)

    def join(self, name: str, cpu: int) -> None:
        build.node(name, cpu)
        self.sim.join(name, cpu)
        self.sim.engines[name].images.add(OTHER)
        self.sim.engine = self.sim.engines[NODES[0]]

    # ---- ops

    @rule(name=st.sampled_from(NODES), drains=st.booleans())
    def drain(self, name: str, drains: bool) -> None:
        (nodes.drain if drains else nodes.end_drain)(None, Node.objects.get(name=name))
        self.sim.round()

    @rule()
    def rebalance(self) -> None:
        relocation.rebalance_now(self.sim.world, asked=True)
        self.sim.round()

    # ---- users

    def app(self, name: str) -> App | None:
        return App.objects.filter(name=name, deleting=False).first()

    @rule(name=st.sampled_from(NAMES), replicas=st.integers(1, 4))
    def create(self, name: str, replicas: int) -> None:
        if not App.objects.filter(name=name).exists():
            build.app(self.group, name, replicas=replicas, **self.asks(name))
            self.sim.round()

    def asks(self, name: str) -> dict[str, object]:
        """Two apps of which not all instances fit at once on one node, and one that may displace them."""
        return {"resources": {"cpu": 1, "memory": "64MiB"}, **({"priority": "high"} if name == "vip" else {})}

    @rule(
        name=st.sampled_from(NAMES),
        replicas=st.integers(1, 4),
        env=st.sampled_from("xyz"),
        digest=st.sampled_from([DIGEST, DIGEST, OTHER]),
        surge=st.integers(0, 2),
        unavailable=st.integers(0, 1),
    )
    def deploy(self, name: str, replicas: int, env: str, digest: str, surge: int, unavailable: int) -> None:
        if app := self.app(name):
            update = {"max_surge": surge, "max_unavailable": unavailable if surge else 1}
            build.deploy(app, replicas=replicas, env={"X": env}, digest=digest, update=update, **self.asks(name))
            self.sim.round()

    @rule(name=st.sampled_from(NAMES), what=st.sampled_from([services.stop, services.start, services.restart]))
    def ask(self, name: str, what: object) -> None:
        app = self.app(name)
        if app and (app.running or what is not services.restart):
            what(None, app)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if app := self.app(name):
            services.delete_app(None, app)

    # ---- accidents

    @precondition(lambda self: self.sim.records())
    @rule(data=st.data(), harm=st.sampled_from(["crash", "remove", "stop", "pause", "sick"]))
    def harm(self, data: st.DataObject, harm: str) -> None:
        held = {record.shown.name: engine for engine in self.sim.engines.values() for record in engine.records.values()}
        name = data.draw(st.sampled_from(sorted(held)))
        engine, container = held[name], held[name].record(name).shown
        if harm == "crash":
            engine.crash(container.id, 1, for_good=True)
        elif harm == "remove":
            engine.remove_behind_back(container.id)
        elif harm == "stop":
            engine.stop_behind_back(container.id)
        elif harm == "pause" and container.process is Process.RUNNING:
            engine.update_behind_back(container.id, process=Process.PAUSED)
        elif harm == "sick":
            self.sim.sick.add(container.address)

    @rule()
    def heal(self) -> None:
        self.sim.sick.clear()

    @rule(name=st.sampled_from(NODES), answers=st.booleans())
    def engine(self, name: str, answers: bool) -> None:
        engine = self.sim.engines[name]
        engine.revive() if answers else engine.kill_engine()

    @rule(what=st.sampled_from(["down", "up", "wipe"]))
    def etcd(self, what: str) -> None:
        if what == "wipe":
            self.sim.etcd.wipe()
        else:
            self.sim.etcd.down = what == "down"

    @rule(alive=st.booleans())
    def edge(self, alive: bool) -> None:
        self.sim.edge_alive = alive

    # ---- the loop

    @rule(seconds=st.sampled_from([1, 10, 60]), rounds=st.integers(1, 4))
    def go_on(self, seconds: float, rounds: int) -> None:
        for _ in range(rounds):
            self.sim.round()
            self.sim.pass_time(seconds)

    @rule(name=st.sampled_from(NODES), at=st.integers(1, 12), after=st.booleans())
    def die(self, name: str, at: int, after: bool) -> None:
        try:
            with dying(self.sim.engines[name], at, after=after):
                self.sim.round()
        except Died:
            App.objects.update(runner="", runner_until=None)  # its lease is over

    @invariant()
    def always(self) -> None:
        self.sim.check_always()

    def teardown(self) -> None:
        if not hasattr(self, "sim"):
            return
        for name in NODES:
            self.sim.engines[name].revive()
            nodes.end_drain(None, Node.objects.get(name=name))
        self.join("spare", 32 * CORE)  # so that all that is wanted fits
        self.sim.etcd.down = False
        self.sim.edge_alive = True
        self.sim.sick.clear()
        self.sim.sick_digests.clear()
        self.sim.pass_time(600)  # any back-off is over
        self.sim.converge(1200)
        self.sim.check_settled()


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_whatever_happens_the_cloud_ends_as_wanted() -> None:
    run_state_machine_as_test(
        Cloud,
        settings=settings(
            max_examples=examples(12), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
