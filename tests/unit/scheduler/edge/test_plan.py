from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.edge.backend import Backend, assign
from scheduler.edge.plan import change, deviation
from scheduler.edge.state import Wanted
from scheduler.model import Endpoint, Route
from scheduler.routing import HttpOptions, Split
from tests.unit.scheduler.edge.build import CONFIG, WANTED, FakeHaproxy, backend, held

SPLIT = replace(CONFIG, canary=Split(5, header=("X-Canary", "yes")))
OTHER = replace(CONFIG, routes=(Route("other.test"),))
APP = ("team", "shop")


def test_an_app_that_is_new_gone_or_otherwise_configured_takes_a_reload() -> None:
    served = backend(held("0-1"), None, None, None)
    same = {"0-1": held("0-1")}
    many = {f"{n}-1": held(f"{n}-1", n) for n in range(5)}
    for wanted, before, why in (
        (Wanted(CONFIG, same), None, "the app is new"),
        (None, served, "the app is gone"),
        (Wanted(refused="all of it"), served, "the app is gone"),
        (Wanted(OTHER, same), served, "its config is another"),
        (Wanted(CONFIG, many), served, "8 slots instead of 4"),
        (Wanted(replace(CONFIG, slots=9), same), served, "16 slots instead of 4"),
        (Wanted(CONFIG, {}), served, ""),
        (Wanted(CONFIG, {**same, "1-1": held("1-1", 2)}), served, ""),
        (None, None, ""),
    ):
        planned = change(APP, wanted, before)
        assert planned.why() == why
        assert planned.needs_reload is bool(why)


def test_arrivals_are_what_haproxy_is_to_send_requests_to_and_does_not_have() -> None:
    served = backend(held("0-1"), None, None, None)
    wanted = {"0-1": held("0-1"), "1-1": held("1-1", 2), "2-1": held("2-1", 3, draining=True)}
    waits = held("3-1", 4, standby=True)
    assert change(APP, Wanted(CONFIG, {**wanted, "3-1": waits}), served).arrivals() == [held("1-1", 2), waits]
    assert change(APP, Wanted(CONFIG, wanted), served).arrivals() == [held("1-1", 2)]
    assert change(APP, Wanted(OTHER, wanted), served).arrivals() == [held("1-1", 2)]
    assert change(APP, Wanted(CONFIG, wanted), None).arrivals() == [held("0-1"), held("1-1", 2)]
    assert change(APP, None, served).arrivals() == []


def test_a_share_of_the_traffic_changes_without_a_reload() -> None:
    served = backend(held("0-1"), held("0-2", 2, canary=True), None, config=SPLIT)
    more = replace(SPLIT, canary=replace(SPLIT.canary, weight=25))
    both = {"0-1": held("0-1"), "0-2": held("0-2", 2, canary=True), "1-3": held("1-3", 3, canary=True)}
    planned = change(APP, Wanted(more, both), served)
    assert not planned.needs_reload
    assert planned.canaries() == {
        "team.shop/weight": "25", "team.shop/count": "2", "team.shop/1": "s3", "team.shop/s3": "canary",
    }  # fmt: skip
    assert planned.commands()[0] == "set server team.shop/s3 weight 0"
    other = replace(SPLIT, canary=replace(SPLIT.canary, header=("X-Canary", "no")))
    assert change(APP, Wanted(other, both), served).needs_reload


def test_a_canary_gets_its_weight_before_those_that_it_replaces_lose_the_traffic() -> None:
    served = backend(held("0-1"), held("0-2", 2, canary=True), config=SPLIT)
    wanted = Wanted(SPLIT, {"0-1": held("0-1", draining=True), "0-2": held("0-2", 2)})
    assert change(APP, wanted, served).commands() == [
        "set server team.shop/s2 weight 1",
        "set server team.shop/s1 state drain",
    ]


def test_a_canary_that_is_given_up_gets_no_request_more_on_the_way() -> None:
    served = backend(held("0-1"), held("0-2", 2, canary=True), config=SPLIT)
    wanted = Wanted(SPLIT, {"0-1": held("0-1"), "0-2": held("0-2", 2, draining=True)})
    assert change(APP, wanted, served).commands() == [
        "set server team.shop/s2 state drain",
        "set server team.shop/s2 weight 1",
    ]


@pytest.mark.parametrize("sticky", [False, True])
def test_those_that_stand_by_serve_before_those_that_they_replace_stop(sticky: bool) -> None:
    config = replace(CONFIG, http=HttpOptions(sticky=sticky))
    served = backend(held("0-1"), held("1-1", 2), held("0-2", 3, standby=True), None, config=config)
    wanted = {"0-1": held("0-1", standby=True), "1-1": held("1-1", 2, standby=True), "0-2": held("0-2", 3)}
    assert change(APP, Wanted(config, wanted), served).commands() == [
        "set server team.shop/s3 state ready",
        "set server team.shop/s1 state drain",
        "set server team.shop/s2 state drain",
    ]


ROLES: dict[str, dict[str, bool]] = {
    "serves": {}, "stands by": {"standby": True}, "is tried": {"canary": True}, "drains": {"draining": True},
}  # fmt: skip
MOVES = st.tuples(st.sampled_from([*ROLES, "is not there"]), st.sampled_from([*ROLES, "is not there"]))
LEAVES = st.tuples(st.just("serves"), st.sampled_from([*ROLES, "is not there"]))
TAKES_OVER = st.tuples(st.sampled_from(["serves", "stands by", "is tried"]), st.just("serves"))


@pytest.mark.parametrize("told_by", ["change", "deviation"])
@given(moves=st.tuples(LEAVES, TAKES_OVER, MOVES, MOVES).flatmap(st.permutations), sticky=st.booleans())
def test_between_two_commands_there_is_always_one_that_serves(
    told_by: str, moves: list[tuple[str, str]], sticky: bool
) -> None:
    config = replace(SPLIT, http=HttpOptions(sticky=sticky))
    before, after = (
        {f"{n}-1": held(f"{n}-1", n + 1, **ROLES[roles[side]]) for n, roles in enumerate(moves) if roles[side] in ROLES}
        for side in (0, 1)
    )
    served = Backend(*APP, config, assign((), before, 6))
    planned = change(APP, Wanted(config, after), served)
    assert planned.after is not None
    haproxy = FakeHaproxy(served.slots, sticky)
    difference = deviation(planned.after, haproxy.standings(served.name))
    assert difference is not None
    for command in planned.commands() if told_by == "change" else difference.commands:
        haproxy.tell(command)
    assert haproxy.fewest > 0
    assert haproxy.has(planned.after.slots, sticky)


def test_what_leaves_gets_maintenance_and_what_drains_gets_drain() -> None:
    served = backend(held("0-1"), held("1-1", 2), None, None)
    wanted = Wanted(CONFIG, {"1-1": held("1-1", 2, draining=True)})
    assert change(APP, wanted, served).commands() == [
        "set server team.shop/s1 state maint",
        "set server team.shop/s2 state drain",
    ]


@given(found=WANTED, wanted=WANTED, sticky=st.booleans())
def test_whatever_haproxy_has_it_is_told_what_it_should_have(
    found: dict[str, Endpoint], wanted: dict[str, Endpoint], sticky: bool
) -> None:
    haproxy = FakeHaproxy(assign((), found, 6), sticky)
    should = Backend(*APP, replace(CONFIG, http=HttpOptions(sticky=sticky)), assign((), wanted, 6))
    before = haproxy.standings(should.name)
    difference = deviation(should, before)
    assert difference is not None
    for command in difference.commands:
        haproxy.tell(command)
    assert haproxy.has(should.slots, sticky)
    places = {each.place for each in before.values()}
    assert haproxy.served <= places
    again = deviation(should, haproxy.standings(should.name))
    assert again is not None
    assert not again.commands


def test_a_backend_that_haproxy_has_with_other_slots_or_not_at_all_takes_a_reload() -> None:
    should = backend(held("0-1"), None)
    assert deviation(should, {}) is None
    assert deviation(should, FakeHaproxy((None, None, None)).standings(should.name)) is None
