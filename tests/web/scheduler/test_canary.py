"""A release that is tried on a part of the traffic: whole stories on the real reconciler and database, and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.applications import services
from apps.applications.models import App, Instance
from apps.errors import Conflict, Invalid
from apps.events.models import Event
from apps.groups.models import Group
from apps.operations import canary
from apps.operations import services as operations
from apps.operations.models import Operation
from scheduler.model import OperationStatus
from scheduler.traffic.figures import Figures, Outcome
from tests.web.effort import points
from tests.web.scheduler import build
from tests.web.scheduler.sim import OTHER, Died, Sim, dying

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = [{"weight": 5, "duration": "20s"}, {"weight": 50, "duration": "20s"}]


def spec(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    policy = {"steps": list(steps) or STEPS, "requests": 10}
    return {"replicas": 2, "update": {"strategy": "canary", "keep": "30s", "canary": policy, **more}}


@pytest.fixture
def app(sim: Sim, group: Group) -> App:
    made = build.app(group, **spec())
    sim.converge()
    sim.check_settled()
    return App.objects.get(pk=made.pk)


def measure(sim: Sim, app: App, served: int, failed: int = 0) -> None:
    """What the edges measure of release 2 from now on; release 1 serves without a fault."""
    fine = Figures({Outcome.SERVED: 1000})
    name = (app.group.name, app.name)
    sim.traffic.figures = {
        (name, 1): fine,
        (name, 2): Figures({Outcome.SERVED: served, Outcome.ERROR: failed}),
    }


def go_on(sim: Sim, rounds: int, seconds: float = 1) -> Iterator[None]:
    for _ in range(rounds):
        sim.round()
        yield
        sim.pass_time(seconds)


def until(sim: Sim, app: App, weight: int, rounds: int = 60) -> None:
    """Go on until the canary has been given this share and every edge has applied it."""
    for _ in go_on(sim, rounds):
        row = App.objects.get(pk=app.pk)
        if row.canary_weight == weight and row.canary_since is not None:
            return
    raise AssertionError(f"it never got {weight} %")


def last() -> Operation:
    return Operation.objects.order_by("-created_at").first()


def numbers(app: App) -> set[int]:
    return {i.release.number for i in Instance.objects.filter(app=app, gone_at=None)}


def test_a_good_release_goes_from_step_to_step_until_it_has_all_of_the_traffic(sim: Sim, app: App) -> None:
    stable = sim.routed(app)
    build.deploy(app, env={"A": "1"}, **spec())
    measure(sim, app, 100)
    seen = []
    for _ in go_on(sim, 90):
        share, tried = sim.share(app)
        assert stable <= sim.routed(app) or not stable & sim.routed(app)
        if not seen or seen[-1] != (share, len(tried)):
            seen.append((share, len(tried)))
    assert [weight for weight, _ in seen] == [*sorted(weight for weight, _ in seen[:-1]), 0]
    assert (5, 1) in seen
    assert seen[-2] == (50, 2), "all of its instances, before the traffic moves"
    assert last().status == OperationStatus.SUCCEEDED
    assert [(s["name"], s["done"]) for s in last().steps if s["name"] == "canary"] == [("canary", 2)]
    sim.converge()
    sim.check_settled()
    assert numbers(app) == {2}
    assert App.objects.get(pk=app.pk).canary_release is None
    told = Event.objects.filter(kind="app.canary").order_by("id").values_list("params", flat=True)
    assert [params["weight"] for params in told] == [5, 50]


def test_a_bad_release_is_halted_and_all_goes_back(sim: Sim, app: App) -> None:
    stable = sim.routed(app)
    build.deploy(app, env={"A": "1"}, **spec())
    measure(sim, app, 100)
    until(sim, app, 5)
    assert sim.share(app)[0] == 5
    measure(sim, app, 80, 20)
    sim.round()
    operation = last()
    assert operation.status == OperationStatus.ROLLED_BACK
    assert operation.error["step"] == "canary"
    assert operation.error["reason"]["code"] == "canary_errors"
    assert operation.error["instance"]
    assert sim.share(app) == (0, set())
    sim.converge()
    sim.check_settled()
    assert sim.routed(app) == stable
    assert numbers(app) == {1}


def test_without_enough_requests_or_figures_it_keeps_its_share(sim: Sim, app: App) -> None:
    build.deploy(app, env={"A": "1"}, **spec())
    until(sim, app, 5)
    for _ in go_on(sim, 20, 10):
        assert App.objects.get(pk=app.pk).canary_step == 0
    assert App.objects.get(pk=app.pk).status_reason["code"] == "canary_unjudged"
    sim.traffic.unavailable = "nobody knows"
    sim.round()
    assert App.objects.get(pk=app.pk).status_reason["code"] == "canary_blind"
    assert last().status == OperationStatus.RUNNING
    sim.traffic.unavailable = ""
    measure(sim, app, 100)
    until(sim, app, 50)


def test_one_that_crashes_again_and_again_is_taken_back(sim: Sim, app: App) -> None:
    sim.engine.images.add(OTHER)
    sim.sick_digests.add(OTHER)
    build.deploy(app, digest=OTHER, **spec())
    stable = sim.routed(app)
    for _ in go_on(sim, 100):
        assert sim.routed(app) == stable
        assert sim.share(app)[0] == 0
    assert last().status == OperationStatus.ROLLED_BACK


def test_a_stable_instance_that_dies_meanwhile_comes_back_of_the_stable_release(sim: Sim, app: App) -> None:
    build.deploy(app, env={"A": "1"}, **spec({"weight": 5}))
    until(sim, app, 5)
    victim = Instance.objects.filter(app=app, release__number=1).first()
    sim.engine.remove_behind_back(victim.container)
    for _ in go_on(sim, 15):
        pass
    present = Instance.objects.filter(app=app, gone_at=None, release__number=1)
    assert present.count() == 2
    assert victim.pk not in present.values_list("pk", flat=True)
    assert len(sim.routed(app)) == 2
    assert App.objects.get(pk=app.pk).canary_weight == 5


def test_a_held_one_is_promoted_step_by_step_and_twice_is_once(sim: Sim, app: App) -> None:
    build.deploy(app, env={"A": "1"}, **spec({"weight": 5}, {"weight": 50}))
    with pytest.raises(Conflict, match="tried"):
        canary.promote(None, last())
    until(sim, app, 5)
    with pytest.raises(Invalid):
        canary.promote(None, last(), 3)
    for _ in range(2):
        canary.promote(None, last(), 1)
        canary.promote(None, last(), 2)
    until(sim, app, 50)
    assert sim.share(app)[0] == 50
    canary.promote(None, last(), 1)  # it is past that
    for _ in go_on(sim, 5):
        assert sim.share(app)[0] == 50
    for _ in range(2):
        canary.promote(None, last())
    sim.converge()
    sim.check_settled()
    assert last().status == OperationStatus.SUCCEEDED
    assert numbers(app) == {2}
    with pytest.raises(Conflict, match="ended"):
        canary.promote(None, last())
    assert Event.objects.filter(kind="app.promoted").count() == 2


def test_an_aborted_one_goes_back_at_once_and_twice_is_once(sim: Sim, app: App) -> None:
    operation = build.deploy(app, env={"A": "1"}, **spec({"weight": 5}))
    until(sim, app, 5)
    for _ in range(2):
        assert canary.abort(None, operation).status == OperationStatus.ROLLED_BACK
    sim.round()
    assert sim.share(app) == (0, set())
    sim.converge()
    sim.check_settled()
    assert numbers(app) == {1}
    assert Event.objects.filter(kind="app.aborted").count() == 1
    first = Operation.objects.order_by("created_at").first()
    with pytest.raises(Conflict, match="ended"):
        canary.abort(None, first)


def test_what_is_no_canary_is_neither_promoted_nor_aborted_nor_is_one_restarted(sim: Sim, app: App) -> None:
    services.restart(None, app)
    for act in (canary.promote, canary.abort):
        with pytest.raises(Conflict, match="tried"):
            act(None, last())
    sim.converge()
    build.deploy(app, env={"A": "1"}, **spec({"weight": 5}))
    until(sim, app, 5)
    with pytest.raises(Conflict, match="tried"):
        services.restart(None, app)


@pytest.mark.parametrize("steps", points([1, 4, 8, 14, 25, 40]))
def test_cancelled_at_any_moment_the_stable_release_serves_alone_again(sim: Sim, app: App, steps: int) -> None:
    stable = sim.routed(app)
    operation = build.deploy(app, env={"A": "1"}, **spec())
    measure(sim, app, 100)
    for _ in go_on(sim, steps):
        pass
    operations.cancel(None, operation)
    for _ in go_on(sim, 30):
        assert stable <= sim.routed(app)
    sim.converge()
    sim.check_settled()
    assert numbers(app) == {1}
    assert last().status == OperationStatus.CANCELLED


def test_a_newer_release_takes_over_and_is_tried_from_the_beginning(sim: Sim, app: App) -> None:
    first = build.deploy(app, env={"A": "1"}, **spec())
    measure(sim, app, 100)
    until(sim, app, 50)
    build.deploy(app, env={"A": "2"}, **spec({"weight": 10}))
    sim.round()
    assert sim.share(app)[0] == 0
    until(sim, app, 10)
    for _ in go_on(sim, 30):
        assert sim.share(app)[0] == 10
    assert numbers(app) == {1, 3}
    first.refresh_from_db()
    assert first.status == OperationStatus.SUPERSEDED
    canary.promote(None, last())
    sim.converge()
    sim.check_settled()
    assert numbers(app) == {3}


def test_the_same_release_once_more_after_it_was_aborted_is_tried_from_the_beginning(sim: Sim, app: App) -> None:
    operation = build.deploy(app, env={"A": "1"}, **spec({"weight": 5}, {"weight": 50}))
    until(sim, app, 5)
    canary.promote(None, operation, 2)
    until(sim, app, 50)
    canary.abort(None, operation)
    build.deploy(app, env={"A": "1"}, **spec({"weight": 5}, {"weight": 50}))
    until(sim, app, 5)
    assert App.objects.get(pk=app.pk).canary_step == 0


def test_left_as_it_is_after_a_failure_it_gets_no_request(sim: Sim, app: App) -> None:
    stable = sim.routed(app)
    build.deploy(app, env={"A": "1"}, **spec(on_failure="hold"))
    measure(sim, app, 100)
    until(sim, app, 5)
    measure(sim, app, 0, 100)
    for _ in go_on(sim, 20):
        pass
    assert last().status == OperationStatus.FAILED
    assert sim.share(app) == (0, set())
    assert sim.routed(app) == stable
    services.rollback(None, App.objects.get(pk=app.pk), 1)
    sim.converge()
    sim.check_settled()
    assert numbers(app) == {1}


def test_stopped_while_it_is_tried_nothing_is_left(sim: Sim, app: App) -> None:
    build.deploy(app, env={"A": "1"}, **spec({"weight": 5}))
    until(sim, app, 5)
    services.stop(None, App.objects.get(pk=app.pk))
    sim.converge()
    sim.check_settled()
    assert App.objects.get(pk=app.pk).canary_release is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", points([1, 2, 3, 5, 8, 12, 16, 20, 24]))
def test_dying_at_any_engine_call_of_a_canary_converges(sim: Sim, app: App, at: int, after: bool) -> None:
    build.deploy(app, env={"A": "1"}, **spec())
    measure(sim, app, 100)
    with dying(sim.engine, at, after=after) as happened:
        for _ in range(90):
            try:
                sim.round()
            except Died:
                break
            sim.pass_time(1)
    assert happened()
    App.objects.update(runner="", runner_until=None)
    sim.converge(400)
    sim.check_settled()
    assert numbers(app) == {2}
    assert last().status == OperationStatus.SUCCEEDED
