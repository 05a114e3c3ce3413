"""A release that is tried, and anything that may happen meanwhile: in the end what is wanted is what is there."""

from __future__ import annotations

import contextlib

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
from apps.applications.models import App, Instance
from apps.errors import Conflict
from apps.operations import canary
from apps.operations import services as operations
from apps.operations.models import ACTIVE, Operation
from scheduler.lifecycle import State
from scheduler.traffic.figures import Figures, Outcome
from tests.web.effort import examples
from tests.web.scheduler import build
from tests.web.scheduler.sim import DIGEST, Died, Sim, dying

SICK = "web@sha256:" + "2" * 64  # an image whose instances never get well
STEPS = [{"weight": 10, "duration": "5s"}, {"weight": 60}, {"weight": 80, "duration": "1s"}]
UPDATE = {"strategy": "canary", "keep": "5s", "canary": {"steps": STEPS, "requests": 10}}


class Trial(RuleBasedStateMachine):
    """Users, accidents and time take turns; in between the loop runs as far as it gets."""

    @initialize()
    def begin(self) -> None:
        call_command("flush", interactive=False, verbosity=0)
        build.node()
        self.sim = Sim()
        self.sim.engine.images.add(SICK)
        self.sim.sick_digests.add(SICK)
        self.app = build.app(build.group(), replicas=3, update=UPDATE)
        self.measure(fails=False)
        self.sim.converge()

    def measure(self, fails: bool) -> None:
        name = (self.app.group.name, self.app.name)
        bad = Figures({Outcome.SERVED: 50, Outcome.ERROR: 50 if fails else 0})
        good = App.objects.get(pk=self.app.pk).last_good
        served = good.number if good else 1
        fine = Figures({Outcome.SERVED: 100})
        self.sim.traffic.figures = {(name, n): fine if n == served else bad for n in range(1, 60)}

    @rule(env=st.sampled_from("xyz"), digest=st.sampled_from([DIGEST, DIGEST, SICK]), replicas=st.integers(1, 4))
    def deploy(self, env: str, digest: str, replicas: int) -> None:
        build.deploy(self.app, env={"X": env}, digest=digest, replicas=replicas, update=UPDATE)

    @rule(act=st.sampled_from(["promote", "next", "abort", "cancel", "stop", "start", "restart"]))
    def ask(self, act: str) -> None:
        operation = Operation.objects.filter(status__in=ACTIVE).first()
        app = App.objects.get(pk=self.app.pk)
        with contextlib.suppress(Conflict):
            if act in ("stop", "start", "restart"):
                getattr(services, act)(None, app)
            elif operation is not None and act == "cancel":
                operations.cancel(None, operation)
            elif operation is not None and act == "abort":
                canary.abort(None, operation)
            elif operation is not None:
                step = min(app.canary_step + 2, len(STEPS))
                canary.promote(None, operation, step if act == "next" else None)

    @rule(fails=st.booleans(), known=st.booleans())
    def figures(self, fails: bool, known: bool) -> None:
        self.measure(fails)
        self.sim.traffic.unavailable = "" if known else "nobody knows"

    @precondition(lambda self: self.sim.records())
    @rule(data=st.data(), harm=st.sampled_from(["crash", "remove", "sick"]))
    def harm(self, data: st.DataObject, harm: str) -> None:
        name = data.draw(st.sampled_from(sorted(record.shown.name for record in self.sim.engine.records.values())))
        container = self.sim.engine.record(name).shown
        if harm == "crash":
            self.sim.engine.crash(container.id, 1, for_good=True)
        elif harm == "remove":
            self.sim.engine.remove_behind_back(container.id)
        else:
            self.sim.sick.add(container.address)

    @rule()
    def heal(self) -> None:
        self.sim.sick.clear()

    @rule(alive=st.booleans(), wiped=st.booleans())
    def edge(self, alive: bool, wiped: bool) -> None:
        self.sim.edge_alive = alive
        if wiped:
            self.sim.etcd.wipe()

    @rule(seconds=st.sampled_from([1, 10]), rounds=st.integers(1, 6))
    def go_on(self, seconds: float, rounds: int) -> None:
        for _ in range(rounds):
            self.sim.round()
            self.sim.pass_time(seconds)

    @rule(at=st.integers(1, 8), after=st.booleans())
    def die(self, at: int, after: bool) -> None:
        try:
            with dying(self.sim.engine, at, after=after):
                self.sim.round()
        except Died:
            App.objects.update(runner="", runner_until=None)  # its lease is over

    @invariant()
    def always(self) -> None:
        self.sim.check_always()
        share, tried = self.sim.share(self.app)
        row = App.objects.get(pk=self.app.pk)
        if share and row.canary_release is not None:
            steps = [step["weight"] for step in STEPS]
            assert share in steps
            stable = Instance.objects.filter(app=row, template=row.active, state=State.HEALTHY)
            assert not tried & set(stable.values_list("address", flat=True))

    def teardown(self) -> None:
        if not hasattr(self, "sim"):
            return
        self.sim.edge_alive = True
        self.sim.sick.clear()
        self.sim.sick_digests.clear()
        self.sim.traffic.unavailable = ""
        self.measure(fails=False)
        self.sim.pass_time(600)  # any back-off is over
        for _ in range(40):
            self.sim.round()
            self.sim.pass_time(2)
            self.ask("promote")
        self.sim.converge(1200)
        self.sim.check_settled()
        assert not Operation.objects.filter(status__in=ACTIVE).exists()
        assert App.objects.get(pk=self.app.pk).canary_release is None


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_whatever_happens_a_trial_ends() -> None:
    run_state_machine_as_test(
        Trial,
        settings=settings(
            max_examples=examples(12), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
