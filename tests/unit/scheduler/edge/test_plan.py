from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from scheduler.edge.backend import Backend, assign
from scheduler.edge.plan import change, deviation
from scheduler.edge.state import Wanted
from scheduler.model import Endpoint, Route
from scheduler.routing import Split
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


def test_what_leaves_gets_maintenance_and_what_drains_gets_drain() -> None:
    served = backend(held("0-1"), held("1-1", 2), None, None)
    wanted = Wanted(CONFIG, {"1-1": held("1-1", 2, draining=True)})
    assert change(APP, wanted, served).commands() == [
        "set server team.shop/s1 state maint",
        "set server team.shop/s2 state drain",
    ]


@given(found=WANTED, wanted=WANTED)
def test_whatever_haproxy_has_it_is_told_what_it_should_have(
    found: dict[str, Endpoint], wanted: dict[str, Endpoint]
) -> None:
    haproxy = FakeHaproxy(assign((), found, 6))
    should = Backend(*APP, CONFIG, assign((), wanted, 6))
    before = haproxy.standings(should.name)
    difference = deviation(should, before)
    assert difference is not None
    for command in difference.commands:
        haproxy.tell(command)
    assert haproxy.has(should.slots)
    places = {each.place for each in before.values()}
    assert haproxy.served <= places
    again = deviation(should, haproxy.standings(should.name))
    assert again is not None
    assert not again.commands


def test_a_backend_that_haproxy_has_with_other_slots_or_not_at_all_takes_a_reload() -> None:
    should = backend(held("0-1"), None)
    assert deviation(should, {}) is None
    assert deviation(should, FakeHaproxy((None, None, None)).standings(should.name)) is None
