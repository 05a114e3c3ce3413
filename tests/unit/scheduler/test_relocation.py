"""Instances that are as wanted and shall run elsewhere: who goes when, and what is made in their place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.diff import Plan, diff
from scheduler.lifecycle import State
from scheduler.model import Process, Relocate, Strategy
from tests.unit.scheduler.build import NOW, ago, app, instance, release

DRAIN, BETTER, PREEMPTED = Relocate.DRAIN, Relocate.REBALANCE, Relocate.PREEMPTED


def going(plan: Plan) -> list[int]:
    return [move.instance.generation for move in plan.moves if move.to in (State.DRAINING, State.WITHDRAWN)]


def made(plan: Plan) -> list[tuple[int, str]]:
    return [(create.slot, create.reason.code) for create in plan.create]


class TestADrainedInstance:
    def test_gets_a_successor_first(self) -> None:
        plan = diff(app(instance(0, relocate=DRAIN), instance(1)), NOW)
        assert (going(plan), made(plan)) == ([], [(0, "relocated")])

    def test_goes_when_its_successor_serves(self) -> None:
        plan = diff(app(instance(0, relocate=DRAIN), instance(1), instance(0, generation=9)), NOW)
        assert (going(plan), made(plan)) == ([1], [])
        assert plan.moves[0].reason.code == "node_drained"

    def test_waits_for_a_successor_that_is_not_healthy_yet(self) -> None:
        plan = diff(
            app(instance(0, relocate=DRAIN), instance(1), instance(0, State.STARTED, generation=9, started_at=ago(1))),
            NOW,
        )
        assert (going(plan), made(plan)) == ([], [])

    def test_keeps_serving_although_one_might_be_missing_while_surge_allows(self) -> None:
        policy = {"max_surge": 1, "max_unavailable": 1}
        plan = diff(app(instance(0, relocate=DRAIN), instance(1), release=release(update=policy)), NOW)
        assert (going(plan), made(plan)) == ([], [(0, "relocated")])

    def test_goes_first_where_nothing_may_be_beside_it(self) -> None:
        policy = {"max_surge": 0, "max_unavailable": 1}
        plan = diff(app(instance(0, relocate=DRAIN), instance(1, relocate=DRAIN), release=release(update=policy)), NOW)
        assert (going(plan), made(plan)) == ([1], [(0, "slot_empty")])

    def test_moves_with_others_as_far_as_the_surge_reaches(self) -> None:
        three = [instance(slot, relocate=DRAIN) for slot in range(3)]
        plan = diff(app(*three, release=release(replicas=3, update={"max_surge": 2})), NOW)
        assert (going(plan), made(plan)) == ([], [(0, "relocated"), (1, "relocated")])

    def test_goes_at_once_while_it_does_not_serve(self) -> None:
        plan = diff(app(instance(0, State.STARTED, relocate=DRAIN, started_at=ago(1)), instance(1)), NOW)
        assert (going(plan), made(plan)) == ([1], [(0, "slot_empty")])

    def test_stays_and_its_successor_goes_when_the_drain_has_ended(self) -> None:
        plan = diff(app(instance(0), instance(1), instance(0, State.STARTED, generation=9)), NOW)
        assert (going(plan), made(plan)) == ([9], [])


class TestOfARecreatedApp:
    SINGLE = {"replicas": 1, "update": {"strategy": Strategy.RECREATE}}
    THREE = {"replicas": 3, "update": {"strategy": Strategy.RECREATE}}

    def test_the_only_instance_goes_first(self) -> None:
        plan = diff(app(instance(0, relocate=DRAIN), release=release(**self.SINGLE)), NOW)
        assert (going(plan), made(plan)) == ([1], [])

    def test_its_successor_is_made_when_it_is_gone(self) -> None:
        plan = diff(app(instance(0, State.STOPPING, relocate=DRAIN), release=release(**self.SINGLE)), NOW)
        assert made(plan) == []
        assert made(diff(app(release=release(**self.SINGLE)), NOW)) == [(0, "slot_empty")]

    def test_one_after_the_other_goes(self) -> None:
        three = [instance(slot, relocate=DRAIN) for slot in range(3)]
        assert going(diff(app(*three, release=release(**self.THREE)), NOW)) == [1]
        later = [instance(0, State.STARTED, generation=9, started_at=ago(1)), *three[1:]]
        assert going(diff(app(*later, release=release(**self.THREE)), NOW)) == []
        served = [instance(0, generation=9), *three[1:]]
        assert going(diff(app(*served, release=release(**self.THREE)), NOW)) == [2]


class TestADisplacedInstance:
    def test_goes_at_once_and_is_placed_again(self) -> None:
        plan = diff(app(instance(0, relocate=PREEMPTED), instance(1)), NOW)
        assert (going(plan), made(plan)) == ([1], [(0, "slot_empty")])
        assert plan.moves[0].reason.code == "displaced"

    def test_stays_while_it_is_the_last_healthy_one(self) -> None:
        plan = diff(app(instance(0, relocate=PREEMPTED), instance(1, State.STARTED, started_at=ago(1))), NOW)
        assert going(plan) == []
        assert "awaiting_another" in {wait.reason.code for wait in plan.wait}

    def test_stays_when_all_are_displaced_but_one(self) -> None:
        plan = diff(app(instance(0, relocate=PREEMPTED), instance(1, relocate=PREEMPTED)), NOW)
        assert going(plan) == [1]

    def test_goes_at_once_in_the_middle_of_a_blue_green_update(self) -> None:
        policy = release(2, "t2", update={"strategy": Strategy.BLUE_GREEN})
        plan = diff(app(instance(0, relocate=PREEMPTED), instance(1), release=policy, active="t1"), NOW)
        assert going(plan) == [1]


def test_an_instance_that_stands_by_does_not_on_a_node_that_is_drained() -> None:
    policy = release(2, "t2", replicas=1, update={"strategy": Strategy.BLUE_GREEN})
    state = {"release": policy, "active": "t2", "active_since": NOW}
    new = instance(0, generation=9, template="t2")
    assert going(diff(app(new, instance(0), **state), NOW)) == []
    assert going(diff(app(new, instance(0, relocate=DRAIN), **state), NOW)) == [1]


@given(
    st.lists(st.sampled_from([None, *Relocate]), min_size=1, max_size=5),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(list(Strategy)),
    st.data(),
)
def test_the_last_healthy_instance_never_goes_for_another_place_unless_two_at_once_are_forbidden(
    marks: list[Relocate | None], surge: int, unavailable: int, strategy: Strategy, data: st.DataObject
) -> None:
    states = data.draw(
        st.lists(st.sampled_from([State.HEALTHY, State.STARTED]), min_size=len(marks), max_size=len(marks))
    )
    running = [
        instance(slot, state, relocate=mark, started_at=ago(1), process=Process.RUNNING)
        for slot, (state, mark) in enumerate(zip(states, marks, strict=True))
    ]
    policy = {"max_surge": surge, "max_unavailable": unavailable, "strategy": strategy}
    plan = diff(app(*running, release=release(replicas=len(marks), update=policy)), NOW)
    healthy = {one.generation for one in running if one.state is State.HEALTHY}
    left = healthy - set(going(plan))
    assert left or not healthy or strategy is Strategy.RECREATE
    assert set(going(plan)) <= {one.generation for one in running if one.relocate}
