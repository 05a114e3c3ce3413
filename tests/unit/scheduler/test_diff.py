"""What the loop decides, case by case, and what it never decides, by property."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.diff import Plan, diff
from scheduler.diff.draft import STABLE, backoff, failures_after
from scheduler.diff.ending import ATTEMPTS
from scheduler.health import Verdict, judge
from scheduler.lifecycle import NEXT, State
from scheduler.model import (
    ACKNOWLEDGE,
    AppState,
    Edge,
    Instance,
    OperationKind,
    OperationStatus,
    Probe,
    Process,
    Strategy,
)
from scheduler.reasons import because

from .build import NOW, ago, app, failures, instance, operation, release


def codes(plan: Plan) -> list[str]:
    return sorted(wait.reason.code for wait in plan.wait)


def moved(plan: Plan) -> dict[int, tuple[State, str]]:
    return {move.instance.generation: (move.to, move.reason.code) for move in plan.moves}


def test_an_app_that_is_as_wanted_needs_nothing():
    plan = diff(app(instance(0), instance(1)), NOW)
    assert plan == Plan()


def test_empty_slots_are_filled_with_fresh_generations():
    plan = diff(app(instance(1)), NOW)
    assert [(c.slot, c.generation, c.reason.code) for c in plan.create] == [(0, 100, "slot_empty")]


@pytest.mark.parametrize(("seconds", "lost"), [(29, False), (30, True)])
def test_an_instance_that_its_silent_engine_never_made_is_made_elsewhere(seconds: float, lost: bool):
    waiting = instance(0, State.ASSIGNED, reachable=False, since=ago(seconds))
    plan = diff(app(waiting, instance(1)), NOW)
    assert [(m.to, m.reason.code, m.failed) for m in plan.moves] == [(State.WITHDRAWN, "node_lost", False)] * lost
    assert [c.slot for c in plan.create] == [0] * lost
    assert plan.launch == (() if lost else (waiting,))


def test_an_assigned_instance_is_launched_again_until_it_runs():
    waiting = instance(0, State.ASSIGNED)
    assert diff(app(waiting, instance(1)), NOW).launch == (waiting,)


def test_an_instance_that_every_edge_reports_up_becomes_healthy():
    fresh = instance(0, State.STARTED, probes=(Probe("e1", True, NOW),))
    assert moved(diff(app(fresh, instance(1)), NOW)) == {1: (State.HEALTHY, "probe_up")}


def test_an_instance_that_one_of_two_edges_has_not_seen_yet_is_waited_for():
    fresh = instance(0, State.STARTED, started_at=NOW, probes=(Probe("e1", True, NOW),))
    plan = diff(app(fresh, instance(1), edges=(Edge("e1", 9), Edge("e2", 9))), NOW)
    assert 1 not in moved(plan)
    assert "awaiting_health" in codes(plan)


def test_an_instance_that_answers_500_is_unhealthy_and_kept_for_as_long_again():
    sick = instance(0, probes=(Probe("e1", False, NOW, "L7STS/500"),))
    plan = diff(app(sick, instance(1)), NOW)
    assert moved(plan) == {1: (State.UNHEALTHY, "probe_down")}
    assert plan.create == ()
    assert plan.due == NOW + timedelta(seconds=6)


def test_an_instance_that_stays_unhealthy_is_replaced_at_once_the_first_time():
    sick = instance(0, State.UNHEALTHY, since=ago(6))
    plan = diff(app(sick, instance(1)), NOW)
    assert moved(plan) == {1: (State.WITHDRAWN, "unhealthy")}
    assert [(c.slot, c.failures) for c in plan.create] == [(0, 1)]


def test_an_instance_that_recovers_in_time_stays():
    well = instance(0, State.UNHEALTHY, since=ago(5), probes=(Probe("e1", True, NOW),))
    assert moved(diff(app(well, instance(1)), NOW)) == {1: (State.HEALTHY, "probe_up")}


def test_an_instance_that_only_one_of_two_edges_cannot_reach_stays_in_service():
    half = instance(0, probes=(Probe("e1", True, NOW), Probe("e2", False, NOW, "L4TOUT")))
    both = Probe("e1", True, NOW), Probe("e2", True, NOW)
    assert diff(app(half, instance(1, probes=both), edges=(Edge("e1", 9), Edge("e2", 9))), NOW) == Plan()


def test_with_no_edge_alive_nothing_is_judged():
    sick = instance(0, State.UNHEALTHY, since=ago(1000))
    plan = diff(app(sick, instance(1), instance(2, State.STARTED, started_at=ago(1000)), edges=()), NOW)
    assert moved(plan) == {3: (State.WITHDRAWN, "scaled_down")}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"process": Process.MISSING}, "missing"),
        ({"process": Process.PAUSED}, "drifted"),
        ({"process": Process.EXITED, "exit_code": 1}, "exited"),
    ],
)
def test_an_instance_that_is_no_longer_there_is_replaced_in_its_slot(changes, reason):
    plan = diff(app(instance(0, **changes), instance(1)), NOW)
    assert moved(plan) == {1: (State.WITHDRAWN, reason)}
    assert [c.slot for c in plan.create] == [0]


def test_an_instance_changed_behind_berths_back_serves_until_its_successor_does():
    changed = instance(0, drift=because("memory_differs", found=1, made=2))
    plan = diff(app(changed, instance(1)), NOW)
    assert moved(plan) == {}
    assert [(c.slot, c.reason.code) for c in plan.create] == [(0, "release_wanted")]
    plan = diff(app(changed, instance(1), instance(0, generation=50)), NOW)
    assert moved(plan) == {1: (State.DRAINING, "drifted")}


def test_failures_in_a_row_are_backed_off():
    assert [backoff(n) for n in (0, 1, 2, 3, 4, 30)] == [0, 0, 2, 4, 8, 300]
    plan = diff(app(instance(1), failures={0: failures(3, seconds_ago=1)}), NOW)
    assert plan.create == ()
    assert plan.due == NOW + timedelta(seconds=3)
    plan = diff(app(instance(1), failures={0: failures(3, seconds_ago=4)}), NOW)
    assert [(c.slot, c.failures, c.reason.code) for c in plan.create] == [(0, 3, "replaces_failed")]


def test_failures_before_a_long_healthy_life_do_not_count():
    assert failures_after(7, ago(STABLE), NOW) == 1
    assert failures_after(7, ago(STABLE - 1), NOW) == 8
    assert failures_after(7, None, NOW) == 8


class TestUpdate:
    """From release 1 (template t1) to release 2 (t2), two replicas, one surge, none unavailable."""

    wanted = release(2, "t2")

    def test_starts_with_one_instance_more(self):
        plan = diff(app(instance(0), instance(1), release=self.wanted), NOW)
        assert moved(plan) == {}
        assert [c.slot for c in plan.create] == [0]
        assert codes(plan) == ["awaiting_surge", "awaiting_surge", "awaiting_surge"]

    def test_waits_until_the_new_one_is_healthy(self):
        fresh = instance(0, State.STARTED, generation=50, template="t2", started_at=NOW)
        plan = diff(app(instance(0), instance(1), fresh, release=self.wanted), NOW)
        assert (moved(plan), plan.create) == ({}, ())

    def test_then_drains_the_old_one_in_that_slot_and_makes_the_next(self):
        fresh = instance(0, generation=50, template="t2")
        plan = diff(app(instance(0), instance(1), fresh, release=self.wanted), NOW)
        assert moved(plan) == {1: (State.DRAINING, "release_replaced")}
        assert [c.slot for c in plan.create] == [1]

    def test_takes_all_at_once_where_the_policy_lets_it(self):
        wanted = release(2, "t2", update={"max_surge": 2})
        assert [c.slot for c in diff(app(instance(0), instance(1), release=wanted), NOW).create] == [0, 1]

    def test_never_takes_the_last_healthy_instance(self):
        wanted = release(2, "t2", replicas=1, update={"max_surge": 0, "max_unavailable": 1})
        plan = diff(app(instance(0), release=wanted), NOW)
        assert moved(plan) == {}
        assert [c.slot for c in plan.create] == [0]

    def test_drops_at_once_what_never_served_when_a_newer_release_is_wanted(self):
        stale = instance(0, State.STARTED, generation=50, template="t2", started_at=NOW)
        plan = diff(app(instance(0), instance(1), stale, release=release(3, "t3")), NOW)
        assert moved(plan) == {50: (State.WITHDRAWN, "superseded")}
        assert [c.slot for c in plan.create] == [0]

    def test_needs_no_new_container_when_only_routes_or_replicas_change(self):
        assert diff(app(instance(0), instance(1), release=release(2, "t1")), NOW) == Plan()


class TestTrial:
    """A release that has not served yet: its instances have to stay healthy for a while, and not to crash."""

    def state(self, *new: Instance, seconds: float = 5.0, **changes: Any) -> AppState:
        wanted = release(2, "t2", update={"min_ready": seconds})
        usual = app(instance(0), instance(1), *new, release=wanted, last_good=release(), operation=operation())
        return replace(usual, **changes)

    def new(self, seconds: float, **changes: Any) -> Instance:
        return instance(0, **{"generation": 11, "release": 2, "template": "t2", "since": ago(seconds), **changes})

    def test_no_old_one_goes_before_a_new_one_has_been_healthy_for_long_enough(self) -> None:
        plan = diff(self.state(self.new(4)), NOW)
        assert plan.moves == ()
        assert plan.due == ago(-1)
        assert [move.to for move in diff(self.state(self.new(5)), NOW).moves] == [State.DRAINING]

    def test_the_operation_ends_when_the_last_has_been(self) -> None:
        both = [self.new(9), replace(self.new(4), slot=1, generation=12, id=12)]
        state = self.state()
        assert diff(replace(state, instances=tuple(both)), NOW).outcome is None
        done = replace(state, instances=(both[0], replace(both[1], since=ago(5))))
        assert diff(done, NOW).outcome is not None

    def test_a_release_that_has_served_before_waits_for_nothing(self) -> None:
        back = self.state(self.new(0), last_good=release(1, "t2"))
        assert [move.to for move in diff(back, NOW).moves] == [State.DRAINING]
        assert diff(self.state(self.new(0), operation=None), NOW).moves != ()

    @pytest.mark.parametrize(("crashes", "status"), [(1, None), (2, OperationStatus.ROLLED_BACK)])
    def test_crashes_after_it_was_healthy_take_it_back(self, crashes: int, status: OperationStatus | None) -> None:
        outcome = diff(self.state(self.new(60, crashes=crashes)), NOW).outcome
        assert (outcome.status if outcome else None) == status

    def test_crashes_of_an_instance_from_before_do_not_count(self) -> None:
        scaled = self.state(self.new(60, crashes=9, release=1))
        assert diff(scaled, NOW).outcome is None

    def test_with_blue_green_the_time_runs_from_the_switch(self) -> None:
        update = {"strategy": Strategy.BLUE_GREEN, "min_ready": 5.0}
        new = [self.new(60), replace(self.new(60), slot=1, generation=12, id=12)]
        moved = self.state(*new, release=release(2, "t2", update=update), active="t2", active_since=ago(4))
        assert diff(moved, NOW).outcome is None
        assert diff(replace(moved, active_since=ago(5)), NOW).outcome is not None


def test_scaling_down_drains_the_highest_slots():
    plan = diff(app(instance(0), instance(1), instance(2), instance(3)), NOW)
    assert moved(plan) == {3: (State.DRAINING, "scaled_down"), 4: (State.DRAINING, "scaled_down")}


def test_scaling_down_keeps_serving_when_only_the_surplus_is_healthy():
    sick = instance(0, State.STARTED, started_at=NOW)
    plan = diff(app(sick, instance(5), release=release(1, "t1", replicas=1)), NOW)
    assert moved(plan) == {}


@pytest.mark.parametrize(("running", "deleting"), [(False, False), (False, True), (True, True)])
def test_a_stopped_or_deleted_app_lets_every_instance_go(running, deleting):
    plan = diff(app(instance(0), instance(1, State.ASSIGNED), running=running, deleting=deleting), NOW)
    assert {to for to, _ in moved(plan).values()} == {State.DRAINING, State.WITHDRAWN}
    assert (plan.create, plan.launch) == ((), ())


class TestLeaving:
    """Draining -> withdrawn -> stopping -> gone, each acknowledged."""

    def draining(self, **changes):
        return app(instance(0, State.DRAINING, since=ago(1), **changes), instance(1), release=release(replicas=1))

    def test_drained_once_no_edge_holds_a_session(self):
        busy = (Probe("e1", True, NOW, sessions=1),)
        assert codes(diff(self.draining(probes=busy), NOW)) == ["awaiting_drain", "awaiting_surge"]
        assert moved(diff(self.draining(), NOW))[1] == (State.WITHDRAWN, "drained")

    def test_not_drained_before_the_edges_know_of_it(self):
        assert moved(diff(self.draining(endpoint_revision=None), NOW)) == {}
        assert moved(diff(self.draining(endpoint_revision=11), NOW)) == {}

    def test_the_drain_time_bounds_it(self):
        busy = instance(0, State.DRAINING, since=ago(10), probes=(Probe("e1", True, NOW, sessions=1),))
        plan = diff(app(busy, instance(1), release=release(replicas=1)), NOW)
        assert moved(plan)[1] == (State.WITHDRAWN, "drain_expired")

    def leave(self, state: State, **changes) -> Plan:
        return diff(app(instance(0, state, generation=9, **changes), instance(0), instance(1)), NOW)

    def test_stopped_only_after_every_live_edge_has_withdrawn_it(self):
        assert self.leave(State.WITHDRAWN, since=ago(1), endpoint_revision=11).stop == ()
        assert len(self.leave(State.WITHDRAWN, since=ago(1), endpoint_revision=10).stop) == 1

    def test_never_stopped_while_etcd_does_not_say_so(self):
        assert self.leave(State.WITHDRAWN, since=ago(10_000), endpoint_revision=None).stop == ()

    def test_an_edge_that_lives_but_applies_nothing_is_not_waited_for_for_ever(self):
        assert len(self.leave(State.WITHDRAWN, since=ago(ACKNOWLEDGE), endpoint_revision=11).stop) == 1

    def test_what_no_longer_runs_is_removed_without_a_signal(self):
        plan = self.leave(State.WITHDRAWN, process=Process.EXITED)
        assert (len(plan.stop), len(plan.remove)) == (0, 1)

    def test_removed_when_its_process_ended_or_its_time_is_up(self):
        assert self.leave(State.STOPPING, since=ago(1)).remove == ()
        assert len(self.leave(State.STOPPING, since=ago(1), process=Process.EXITED).remove) == 1
        assert len(self.leave(State.STOPPING, since=ago(10)).remove) == 1


class TestOperation:
    def test_succeeds_when_all_that_was_asked_for_is_true(self):
        outcome = diff(app(instance(0), instance(1), operation=operation()), NOW).outcome
        assert outcome is not None
        assert outcome.status is OperationStatus.SUCCEEDED

    def test_goes_on_while_an_old_instance_is_still_leaving(self):
        leaving = instance(0, State.STOPPING, generation=9, since=NOW)
        assert diff(app(instance(0), instance(1), leaving, operation=operation()), NOW).outcome is None

    @pytest.mark.parametrize("changes", [{"edges": (Edge("e1", 10), Edge("e2", 9))}, {"published_revision": None}])
    def test_goes_on_until_every_edge_serves_what_was_asked_for(self, changes: dict[str, Any]) -> None:
        plan = diff(app(instance(0), instance(1), operation=operation(), **changes), NOW)
        assert plan.outcome is None
        assert codes(plan)[0] == "awaiting_edges"

    def test_does_not_wait_for_ever_for_an_edge_that_lags_behind_the_others(self) -> None:
        both = instance(0), instance(1)
        both = [replace(each, probes=(*each.probes, Probe("e2", True, NOW, ""))) for each in both]
        lagging = app(
            *both, operation=operation(), edges=(Edge("e1", 10), Edge("e2", 9)), published_at=ago(ACKNOWLEDGE)
        )
        outcome = diff(lagging, NOW).outcome
        assert outcome is not None
        assert outcome.status is OperationStatus.SUCCEEDED

    @pytest.mark.parametrize("edges", [(), (Edge("e1", 9),)])
    def test_fails_at_its_deadline_where_no_edge_serves_it(self, edges: tuple[Edge, ...]) -> None:
        made = [instance(slot, created_at=ago(9000)) for slot in (0, 1)]
        outcome = diff(
            app(*made, operation=operation(seconds_ago=300), edges=edges, published_at=ago(300)), NOW
        ).outcome
        assert outcome is not None
        assert (outcome.status, outcome.reason.code) == (OperationStatus.FAILED, "deadline")

    def test_of_a_stop_succeeds_when_nothing_is_left(self):
        op = operation(OperationKind.STOP)
        assert diff(app(instance(0), running=False, operation=op), NOW).outcome is None
        outcome = diff(app(running=False, operation=op), NOW).outcome
        assert outcome is not None
        assert outcome.status is OperationStatus.SUCCEEDED

    def failing(self, **changes) -> AppState:
        usual = {"failures": {0: failures(ATTEMPTS)}, "operation": operation(), "release": release(2, "t2")}
        return app(instance(0), instance(1), **{**usual, **changes})

    def test_fails_after_repeated_failures_and_names_the_last_one(self):
        outcome = diff(self.failing(), NOW).outcome
        assert outcome is not None
        assert (outcome.status, outcome.reason.code) == (OperationStatus.FAILED, "kept_failing")
        assert outcome.generation == 9

    def test_goes_back_to_the_release_that_served_if_there_is_one(self):
        outcome = diff(self.failing(last_good=release(1, "t1")), NOW).outcome
        assert outcome is not None
        assert outcome.status is OperationStatus.ROLLED_BACK

    def test_holds_where_the_policy_says_so(self):
        wanted = release(2, "t2", update={"on_failure": "hold"})
        outcome = diff(self.failing(last_good=release(1, "t1"), release=wanted), NOW).outcome
        assert outcome is not None
        assert outcome.status is OperationStatus.FAILED

    def test_fails_at_its_deadline(self):
        seen = (Probe("e1", False, NOW, "L4CON"),)
        slow = instance(0, State.STARTED, created_at=ago(300), started_at=ago(1), probes=seen)
        other = instance(1, created_at=ago(300))
        outcome = diff(app(slow, other, operation=operation(seconds_ago=300)), NOW).outcome
        assert outcome is not None
        assert (outcome.status, outcome.reason.code) == (OperationStatus.FAILED, "deadline")
        assert "L4CON" in str(outcome.reason)

    def test_waits_for_room_without_a_deadline(self):
        assert diff(app(instance(1), operation=operation(seconds_ago=10_000), pending=True), NOW).outcome is None

    def test_has_all_its_time_once_there_is_room(self):
        placed = instance(0, State.STARTED, created_at=ago(1), started_at=ago(1), probes=())
        assert diff(app(placed, instance(1), operation=operation(seconds_ago=10_000)), NOW).outcome is None


@st.composite
def apps(draw: st.DrawFn) -> AppState:
    """Any app with up to eight instances in any state, of three templates, seen in any way by up to two edges."""
    edges = tuple(Edge(name, draw(st.integers(0, 10))) for name in ("e1", "e2")[: draw(st.integers(0, 2))])
    instances: list[Instance] = []
    for generation in range(1, draw(st.integers(0, 8)) + 1):
        state = draw(st.sampled_from([s for s in State if s is not State.GONE]))
        probes = [Probe(e.name, draw(st.booleans()), NOW, "x", draw(st.integers(0, 1))) for e in edges]
        instances.append(
            instance(
                draw(st.integers(0, 4)),
                state,
                generation=generation,
                template=draw(st.sampled_from(["t1", "t2", "t3"])),
                since=ago(draw(st.floats(0, 400))),
                started_at=ago(draw(st.floats(0, 400))),
                process=Process.UNKNOWN if state is State.ASSIGNED else draw(st.sampled_from(list(Process))),
                drift=draw(st.sampled_from([None, None, because("paused")])),
                reachable=draw(st.booleans()),
                probes=tuple(draw(st.lists(st.sampled_from(probes), unique=True))) if probes else (),
                endpoint_revision=draw(st.one_of(st.none(), st.integers(1, 10))),
            )
        )
    policy = {"max_surge": draw(st.integers(0, 3)), "max_unavailable": draw(st.integers(0, 3))}
    return app(
        *instances,
        edges=edges,
        running=draw(st.booleans()),
        release=release(2, "t2", replicas=draw(st.integers(1, 4)), update=policy),
        failures={0: failures(draw(st.integers(1, 5)), draw(st.floats(0, 10)))} if draw(st.booleans()) else {},
        operation=draw(st.one_of(st.none(), st.just(operation()))),
    )


@given(apps())
def test_every_move_is_one_that_the_lifecycle_has(state: AppState):
    recorded = {i.id: i.state for i in state.instances}
    for move in diff(state, NOW).moves:
        assert move.to in NEXT[recorded[move.instance.id]]


@given(apps())
def test_an_instance_is_in_one_bucket_at_most_and_a_slot_is_filled_once(state: AppState):
    plan = diff(state, NOW)
    touched = [m.instance.id for m in plan.moves if m.to is not State.HEALTHY]
    touched += [i.id for i in (*plan.launch, *plan.stop, *plan.remove)]
    assert len(touched) == len(set(touched))
    slots = [c.slot for c in plan.create]
    assert len(slots) == len(set(slots))


@given(apps())
def test_an_update_leaves_enough_that_serve(state: AppState):
    plan = diff(state, NOW)
    if not state.running:
        return
    spec = state.release.spec
    healthy = {
        i.id
        for i in state.instances
        if i.state is State.HEALTHY and (i.process is Process.RUNNING or judge(i, state.edges).verdict is Verdict.UP)
    }
    drained = {m.instance.id for m in plan.moves if m.to is State.DRAINING}
    if drained:
        stay = len([m for m in plan.moves if m.to is State.HEALTHY]) + len(
            healthy - {m.instance.id for m in plan.moves}
        )
        assert stay >= max(1, spec.replicas - spec.update.max_unavailable)


@given(apps())
def test_surge_bounds_how_many_there_are(state: AppState):
    plan = diff(state, NOW)
    leaving = {m.instance.id for m in plan.moves if m.to in (State.DRAINING, State.WITHDRAWN)}
    stay = [i for i in state.instances if not i.state.going and i.id not in leaving]
    if plan.create:
        spec = state.release.spec
        assert len(stay) + len(plan.create) <= spec.replicas + max(1, spec.update.max_surge)


@given(apps())
def test_nothing_is_stopped_that_an_edge_may_still_send_to(state: AppState):
    for leaving in diff(state, NOW).stop:
        assert leaving.endpoint_revision is not None
        patient = leaving.since > NOW - timedelta(seconds=ACKNOWLEDGE)
        assert not patient or all(edge.applied >= leaving.endpoint_revision for edge in state.edges)


@given(apps())
def test_the_loop_never_stops_short_without_saying_what_it_waits_for(state: AppState):
    plan = diff(state, NOW)
    current = {i.slot for i in state.instances if i.state is State.HEALTHY and i.template == "t2" and not i.drift}
    satisfied = state.running and current == set(range(state.release.spec.replicas)) == {
        i.slot for i in state.instances
    }
    if plan.idle and not plan.wait:
        assert satisfied or (not state.running and not state.instances)
