"""How an update goes that is not a rolling one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.diff import diff
from scheduler.diff.draft import active_template
from scheduler.lifecycle import State
from scheduler.model import AppState, Instance, OperationKind, OperationStatus, Process, Release, Strategy

from .build import NOW, ago, app, instance, operation, release


def wanting(strategy: Strategy, *instances: Instance, replicas: int = 2, **changes: object) -> AppState:
    """An app that wants release 2, made from template t2; template t1 has the traffic."""
    wanted = release(2, "t2", replicas=replicas, update={"strategy": strategy})
    usual = app(*instances, release=wanted, last_good=release(), operation=operation(), active="t1")
    return replace(usual, **changes)


def new(slot: int, state: State = State.HEALTHY, **changes: object) -> Instance:
    return instance(slot, state, **{"generation": slot + 11, "release": 2, "template": "t2", **changes})


def recreation(*instances: Instance, **changes: object) -> AppState:
    return wanting(Strategy.RECREATE, *instances, **changes)


def blue_green(*instances: Instance, **changes: object) -> AppState:
    return wanting(Strategy.BLUE_GREEN, *instances, **changes)


def going(state: AppState) -> set[int]:
    return {move.instance.generation for move in diff(state, NOW).moves if move.to.going}


def made(state: AppState) -> list[int]:
    return [create.slot for create in diff(state, NOW).create]


class TestRecreate:
    def test_all_that_is_old_goes_at_once_and_nothing_is_made_beside_it(self) -> None:
        state = recreation(instance(0), instance(1))
        assert going(state) == {1, 2}
        assert made(state) == []

    @pytest.mark.parametrize("last", [State.DRAINING, State.WITHDRAWN, State.STOPPING])
    def test_a_slot_is_filled_when_the_instance_before_is_gone(self, last: State) -> None:
        assert made(recreation(instance(1, last))) == [0]
        assert made(recreation()) == [0, 1]

    def test_a_failed_instance_has_to_be_gone_before_the_next_is_made(self) -> None:
        sick = new(0, process=Process.EXITED)
        assert going(recreation(sick, replicas=1)) == {11}
        assert made(recreation(sick, replicas=1)) == []

    def test_a_wanted_instance_stays(self) -> None:
        state = recreation(new(0), new(1), active="t2")
        assert diff(state, NOW).outcome is not None
        assert going(state) == set()


class TestBlueGreen:
    def test_all_new_instances_are_made_and_no_old_one_goes(self) -> None:
        state = blue_green(instance(0), instance(1))
        assert made(state) == [0, 1]
        assert going(state) == set()

    def test_the_traffic_waits_for_the_last_of_them(self) -> None:
        state = blue_green(instance(0), instance(1), new(0), new(1, State.STARTED, probes=()))
        plan = diff(state, NOW)
        assert not plan.switch
        assert "awaiting_switch" in {wait.reason.code for wait in plan.wait}

    def test_it_moves_when_all_are_healthy(self) -> None:
        plan = diff(blue_green(instance(0), instance(1), new(0), new(1)), NOW)
        assert plan.switch
        assert plan.moves == ()
        assert plan.outcome is None

    def test_the_operation_ends_while_the_old_ones_stand_by(self) -> None:
        state = blue_green(instance(0), instance(1), new(0), new(1), active="t2", active_since=ago(10))
        plan = diff(state, NOW)
        assert plan.moves == ()
        assert plan.outcome is not None
        assert plan.outcome.status is OperationStatus.SUCCEEDED
        assert plan.due == ago(10 - 60)

    def test_the_old_ones_go_when_their_time_is_over(self) -> None:
        state = blue_green(instance(0), instance(1), new(0), new(1), active="t2", active_since=ago(61))
        assert going(state) == {1, 2}

    def test_going_back_meanwhile_moves_the_traffic_at_once(self) -> None:
        back = Release(3, "t1", release(update={"strategy": Strategy.BLUE_GREEN}).spec)
        rollback = operation(OperationKind.ROLLBACK)
        state = blue_green(
            instance(0), instance(1), new(0), new(1), active="t2", active_since=ago(9), release=back, operation=rollback
        )
        plan = diff(state, NOW)
        assert plan.switch
        assert plan.create == ()

    def test_a_release_in_between_makes_room(self) -> None:
        between = instance(0, generation=7, template="t1b")
        assert going(blue_green(instance(0), instance(1), between)) == {7}

    def test_a_new_app_just_starts(self) -> None:
        assert made(blue_green(active="", last_good=None)) == [0, 1]

    def test_an_instance_that_dies_is_replaced_while_others_stand_by(self) -> None:
        state = blue_green(instance(0), instance(1), new(0), active="t2", active_since=ago(10), operation=None)
        assert made(state) == [1]
        assert going(state) == set()

    def test_without_any_instance_of_it_no_template_has_the_traffic(self) -> None:
        assert active_template(blue_green(instance(0, State.DRAINING), new(0))) == ""
        assert active_template(blue_green(instance(0), new(0))) == "t1"
