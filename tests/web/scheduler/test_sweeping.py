"""Which apps the frequent sweep looks at: those on their way, and none that only room could help."""

from __future__ import annotations

import pytest

from apps.applications import services
from apps.applications.models import App, Instance
from apps.operations.models import Operation
from scheduler import reconciler, wake
from scheduler.lifecycle import State
from scheduler.model import OperationStatus
from scheduler.store import sweeping
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db
HALF = {"cpu": 3, "memory": "64MiB"}


@pytest.fixture
def sim(db: None) -> Sim:
    build.node("n1")
    return Sim()


def waiting(sim: Sim) -> App:
    """An app of three instances of which the node holds two, and nothing else happens."""
    app = build.app(build.group(), replicas=3, resources=HALF)
    sim.converge(20)
    assert Instance.objects.filter(gone_at=None, state=State.HEALTHY).count() == 2
    return app


def test_what_waits_for_nothing_but_room_is_not_looked_at_until_there_is_some(sim: Sim) -> None:
    app = waiting(sim)
    assert (sweeping.underway(), sweeping.unsettled(), sweeping.pending()) == ([], [app.pk], [app.pk])


def test_what_waits_for_room_and_has_an_instance_on_its_way_is_looked_at(sim: Sim) -> None:
    app = waiting(sim)
    Instance.objects.filter(slot=0).update(state=State.UNHEALTHY)
    assert sweeping.underway() == [app.pk]


def test_what_waits_for_room_and_is_asked_for_something_else_is_looked_at(sim: Sim) -> None:
    app = waiting(sim)
    services.scale(None, app, 4)
    assert Operation.objects.filter(app=app, status=OperationStatus.PENDING).exists()
    assert sweeping.underway() == [app.pk]


def test_room_that_comes_before_anyone_knows_that_it_is_waited_for_is_seen(
    sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = []
    app = build.app(build.group(), resources={"cpu": 9, "memory": "64MiB"})
    monkeypatch.setattr(wake, "reconcile", lambda app_id, after: again.append((app_id, after)))
    reconciler.reconcile(app.pk, sim.world)
    reconciler.reconcile(app.pk, sim.world)
    assert again == [(app.pk, reconciler.RETRY)], "and not for ever"
