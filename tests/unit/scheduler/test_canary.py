"""A release that is tried on a part of the traffic: what is decided, and when it is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.canary import decide, instances_for, limit_broken, tries_out
from scheduler.diff import Plan, diff
from scheduler.lifecycle import State
from scheduler.model import (
    ACKNOWLEDGE,
    AppState,
    Canary,
    CanaryPolicy,
    CanaryStep,
    Edge,
    Instance,
    OperationKind,
    OperationStatus,
    Process,
    Strategy,
)
from scheduler.traffic.figures import Figures, Outcome, bin_of

from .build import NOW, ago, app, failures, instance, operation, release

STEPS = (CanaryStep(5, 60.0), CanaryStep(50), CanaryStep(60, 10.0))
POLICY = CanaryPolicy(STEPS, requests=10)


def measured(served: int, failed: int = 0, milliseconds: int = 10) -> Figures:
    outcomes = {Outcome.SERVED: served, Outcome.ERROR: failed}
    return Figures(outcomes, latencies={bin_of(milliseconds): served + failed} if served + failed else {})


FINE = measured(1000), measured(10000)


def new(slot: int, state: State = State.HEALTHY, **changes: object) -> Instance:
    return instance(slot, state, **{"generation": slot + 11, "release": 2, "template": "t2", **changes})


def trying(*canaries: Instance, policy: CanaryPolicy = POLICY, replicas: int = 4, **changes: object) -> AppState:
    """An app of four instances of t1, which has the traffic, that tries release 2, made from template t2."""
    update = {"strategy": Strategy.CANARY, "canary": policy}
    wanted = release(2, "t2", replicas=replicas, update=update)
    stable = [instance(slot) for slot in range(4)]
    usual = app(
        *stable, *canaries, release=wanted, last_good=release(replicas=4), operation=operation(), active="t1",
        measured=FINE,
    )  # fmt: skip
    return replace(usual, **changes)


def at(step: int, weight: int, seconds: float | None = None, revision: int | None = 10) -> Canary:
    """A canary whose share was applied so many seconds ago."""
    return Canary(2, step, weight, revision, None if seconds is None else ago(seconds))


def made(plan: Plan) -> list[int]:
    return [create.slot for create in plan.create]


def waits(plan: Plan) -> set[str]:
    return {wait.reason.code for wait in plan.wait}


class TestSteps:
    def test_it_begins_with_instances_for_its_first_share_and_no_traffic(self) -> None:
        plan = diff(trying(), NOW)
        assert plan.canary == Canary(2)
        assert made(plan) == [0]
        assert not plan.moves

    def test_it_gets_its_share_when_they_are_healthy(self) -> None:
        assert diff(trying(new(0), canary=Canary(2)), NOW).canary == Canary(2, weight=5)

    def test_its_time_runs_from_when_every_edge_has_applied_its_share(self) -> None:
        behind = trying(new(0), canary=at(0, 5, revision=11))
        assert diff(behind, NOW).canary == at(0, 5, revision=11)
        assert waits(diff(behind, NOW)) == {"canary_edges"}
        assert diff(replace(behind, edges=()), NOW).canary == at(0, 5, revision=11)
        two = replace(behind, edges=(Edge("e1", 11), Edge("e2", 10)))
        assert "e2" in str(diff(two, NOW).wait[0].reason)
        assert diff(replace(behind, edges=(Edge("e1", 11),)), NOW).canary == at(0, 5, 0, revision=11)

    def test_an_edge_that_lags_behind_the_others_is_waited_for_a_while(self) -> None:
        asked = trying(new(0), canary=at(0, 5, revision=11), edges=(Edge("e1", 11), Edge("e2", 10)))
        patient = diff(replace(asked, published_at=ago(ACKNOWLEDGE - 1)), NOW)
        assert waits(patient) == {"canary_edges"}
        assert patient.due == ago(-1)
        assert diff(replace(asked, published_at=ago(ACKNOWLEDGE)), NOW).canary == at(0, 5, 0, revision=11)
        nobody = replace(asked, published_at=ago(ACKNOWLEDGE), edges=(Edge("e1", 10), Edge("e2", 10)))
        assert diff(nobody, NOW).canary == at(0, 5, revision=11)

    def test_it_goes_on_when_its_step_is_over_and_makes_more_instances_first(self) -> None:
        early = diff(trying(new(0), canary=at(0, 5, 59)), NOW)
        assert early.canary == at(0, 5, 59)
        assert early.due == ago(-1)
        over = trying(new(0), canary=at(0, 5, 60))
        assert diff(over, NOW).canary == at(1, 5, 60)
        plan = diff(replace(over, canary=at(1, 5, 60)), NOW)
        assert made(plan) == [1]
        assert waits(plan) == {"canary_instances"}
        assert diff(trying(new(0), new(1), canary=at(1, 5, 60)), NOW).canary == Canary(2, 1, 50)

    def test_a_step_without_an_end_is_held_until_it_is_promoted(self) -> None:
        held = trying(new(0), new(1), canary=at(1, 50, 1e6))
        plan = diff(held, NOW)
        assert plan.canary == held.canary
        assert waits(plan) == {"canary_held"}
        assert plan.outcome is None
        assert diff(replace(held, promoted=2), NOW).canary == replace(at(1, 50, 1e6), step=2)
        assert diff(replace(held, promoted=1), NOW).canary == held.canary

    def test_after_the_last_step_all_of_it_is_made_and_then_gets_all_of_the_traffic(self) -> None:
        some = [new(slot) for slot in range(3)]
        ending = trying(*some, canary=at(3, 60, 20))
        assert made(diff(ending, NOW)) == [3]
        assert not diff(ending, NOW).switch
        plan = diff(trying(*some, new(3), canary=at(3, 60, 20)), NOW)
        assert plan.switch
        assert plan.canary is None
        assert plan.outcome is None

    def test_too_few_requests_hold_it_and_so_does_not_knowing(self) -> None:
        over = trying(new(0), canary=at(0, 5, 600))
        assert waits(diff(replace(over, measured=None), NOW)) == {"canary_blind"}
        assert waits(diff(replace(over, measured=(measured(9), measured(0))), NOW)) == {"canary_unjudged"}
        unjudged = replace(POLICY, errors=None)
        blind = trying(new(0), canary=at(0, 5, 60), policy=unjudged, measured=None)
        assert diff(blind, NOW).canary == at(1, 5, 60)

    def test_new_instances_have_to_be_healthy_for_a_while_first(self) -> None:
        state = trying(new(0, since=ago(1)), canary=Canary(2))
        policy = replace(state.release.spec.update, min_ready=5.0)
        slow = replace(state, release=replace(state.release, spec=replace(state.release.spec, update=policy)))
        assert diff(slow, NOW).canary == Canary(2)
        assert "awaiting_ready" in waits(diff(slow, NOW))


class TestAround:
    def test_the_stable_release_is_kept_whole(self) -> None:
        state = trying(new(0), canary=at(0, 5, 10))
        without = replace(state, instances=tuple(i for i in state.instances if i.generation != 2))
        plan = diff(without, NOW)
        assert [(create.slot, create.stable) for create in plan.create] == [(1, True)]
        backing_off = diff(replace(without, stable_failures={1: failures(5)}), NOW)
        assert backing_off.create == ()
        assert "backing_off" in waits(backing_off)

    def test_a_release_in_between_goes(self) -> None:
        between = instance(0, generation=7, template="t1b")
        assert [move.instance.generation for move in diff(trying(between), NOW).moves] == [7]

    def test_a_newer_release_begins_anew(self) -> None:
        assert diff(trying(canary=Canary(1, 1, 50, 3, ago(9))), NOW).canary == Canary(2)

    def test_going_back_and_going_on_without_a_canary_move_at_once(self) -> None:
        back = trying(*[new(slot) for slot in range(4)], operation=operation(OperationKind.ROLLBACK))
        assert not tries_out(back)
        assert diff(back, NOW).switch
        stable = trying(new(0), release=replace(trying().release, template="t1"), canary=at(0, 5, 10))
        assert diff(stable, NOW).canary is None
        assert [move.instance.generation for move in diff(stable, NOW).moves] == [11]
        assert not tries_out(trying(last_good=None, active=""))

    def test_one_that_was_given_up_and_left_gets_no_request(self) -> None:
        plan = diff(trying(new(0), operation=None, canary=at(0, 5, 10)), NOW)
        assert plan.canary is None
        assert not plan.switch
        assert not plan.moves

    def test_no_deadline_ends_a_canary_that_was_healthy(self) -> None:
        long = operation(seconds_ago=1e6)
        down = new(1, State.UNHEALTHY, since=ago(1), created_at=ago(1e5))
        assert diff(trying(new(0, created_at=ago(1e5)), down, operation=long, canary=at(1, 50, 9)), NOW).outcome is None
        never = new(0, State.STARTED, probes=(), healthy_at=None, created_at=ago(1e5), started_at=ago(1))
        late = diff(trying(never, operation=long, canary=Canary(2)), NOW).outcome
        assert late is not None
        assert late.reason.code == "deadline"

    @pytest.mark.parametrize(("running", "deleting"), [(False, False), (False, True)])
    def test_a_stopped_or_deleted_app_tries_nothing(self, running: bool, deleting: bool) -> None:
        assert diff(trying(new(0), canary=at(0, 5, 9), running=running, deleting=deleting), NOW).canary is None


class TestHalt:
    def test_a_broken_limit_takes_it_back_with_evidence(self) -> None:
        bad = trying(new(0), canary=at(0, 5, 9), measured=(measured(90, 10), measured(1000)))
        outcome = diff(bad, NOW).outcome
        assert outcome is not None
        assert (outcome.status, outcome.step, outcome.generation) == (OperationStatus.ROLLED_BACK, "canary", 11)
        assert str(outcome.reason) == "10.0 % of 100 requests to the new release failed; 5.0 % may"

    def test_it_is_judged_while_more_instances_are_made_and_not_once_all_was_promoted(self) -> None:
        bad = trying(new(0), canary=at(1, 5, 9), measured=(measured(90, 10), measured(1000)))
        assert diff(bad, NOW).outcome is not None
        assert diff(replace(bad, promoted=3), NOW).outcome is None

    def test_instances_that_keep_failing_end_it(self) -> None:
        dead = new(0, process=Process.EXITED, failures=1)
        outcome = diff(trying(dead, canary=at(0, 5, 9)), NOW).outcome
        assert outcome is not None
        assert outcome.reason.code == "kept_failing"

    @pytest.mark.parametrize(
        ("limits", "canary", "stable", "code"),
        [
            ({}, measured(95, 5), measured(0), None),
            ({}, measured(94, 6), measured(0), "canary_errors"),
            ({}, measured(0, 9), measured(0), None),
            ({"errors": None}, measured(0, 100), measured(100), None),
            ({"errors": None, "errors_over": 2.0}, measured(97, 3), measured(99, 1), None),
            ({"errors": None, "errors_over": 2.0}, measured(96, 4), measured(99, 1), "canary_errors_over"),
            ({"errors": None, "errors_over": 2.0}, measured(96, 4), measured(9), None),
            ({"latency": 0.1}, measured(100, 0, 90), measured(0), None),
            ({"latency": 0.1}, measured(100, 0, 200), measured(0), "canary_latency"),
            ({"latency_over": 2.0}, measured(100, 0, 90), measured(100, 0, 50), None),
            ({"latency_over": 2.0}, measured(100, 0, 200), measured(100, 0, 50), "canary_latency_over"),
            ({"latency_over": 2.0}, measured(100, 0, 200), measured(0), None),
        ],
    )
    def test_limits(self, limits: dict[str, float | None], canary: Figures, stable: Figures, code: str | None) -> None:
        broken = limit_broken(replace(POLICY, **limits), canary, stable)
        assert (broken and broken.code) == code


limits = st.none() | st.floats(0, 100)
policies = st.builds(
    CanaryPolicy,
    st.just(STEPS),
    errors=limits,
    errors_over=limits,
    latency=st.none() | st.floats(0.001, 10),
    latency_over=st.none() | st.floats(1, 10),
    requests=st.integers(1, 200),
)
figures = st.builds(measured, st.integers(0, 500), st.integers(0, 500), st.integers(0, 20_000))


@given(policies, figures, figures)
def test_nothing_is_judged_by_too_few_requests(policy: CanaryPolicy, canary: Figures, stable: Figures) -> None:
    if limit_broken(policy, canary, stable) is not None:
        assert canary.requests >= policy.requests
        assert policy.judged


@given(policies, figures)
def test_a_release_as_good_as_the_stable_one_breaks_no_limit_about_that(policy: CanaryPolicy, same: Figures) -> None:
    assert limit_broken(replace(policy, errors=None, latency=None), same, same) is None


@given(policies, st.integers(0, 500), st.integers(0, 500), st.integers(1, 100), figures)
def test_more_failures_never_mend_it(
    policy: CanaryPolicy, served: int, failed: int, more: int, stable: Figures
) -> None:
    def broken(figures: Figures) -> bool:
        reason = limit_broken(replace(policy, latency=None, latency_over=None), figures, stable)
        return reason is not None

    if served >= more and broken(measured(served, failed)):
        assert broken(measured(served - more, failed + more))


@given(st.integers(1, 1000), st.integers(0, 100))
def test_there_are_instances_enough_for_a_share(replicas: int, weight: int) -> None:
    count = instances_for(replicas, weight)
    assert 1 <= count <= replicas
    assert count * 100 >= replicas * weight
    assert count == 1 or (count - 1) * 100 < replicas * weight


@given(
    st.integers(0, 4), st.integers(0, 3), st.sampled_from([0, 5, 50, 60]), st.none() | st.floats(0, 1000),
    st.none() | st.tuples(figures, figures), st.integers(0, 3), st.none() | st.integers(1, 20),
)  # fmt: skip
def test_a_share_only_grows_and_only_with_instances_for_it(
    ready: int,
    step: int,
    weight: int,
    seconds: float | None,
    seen: tuple[Figures, Figures] | None,
    promoted: int,
    revision: int | None,
) -> None:
    state = trying(canary=at(step, weight, seconds, revision), measured=seen, promoted=promoted)
    decided = decide(state, ready, NOW)
    if decided.canary is None:
        assert decided.switch
        assert ready == 4
        return
    assert decided.halt or decided.wait
    assert decided.canary.step >= step
    if decided.canary.weight != weight:
        assert decided.canary.since is None
        assert ready >= instances_for(4, decided.canary.weight)
