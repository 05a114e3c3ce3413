from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.edge.backend import LEAST_SLOTS, assign, commands, same_place, size
from scheduler.model import Endpoint
from tests.unit.scheduler.edge.build import WANTED, FakeHaproxy, backend, held


@given(first=WANTED, then=st.lists(WANTED, max_size=4), wanted=st.integers(0, 9))
def test_every_wanted_endpoint_has_exactly_one_slot_and_keeps_it(
    first: dict[str, Endpoint], then: list[dict[str, Endpoint]], wanted: int
) -> None:
    slots = assign((), first, wanted)
    for endpoints in [first, *then]:
        after = assign(slots, endpoints, wanted)
        assert sorted(each.instance for each in after if each) == sorted(endpoints)
        assert all(each is None or each == endpoints[each.instance] for each in after)
        assert len(after) >= max(len(slots), wanted)
        for old, new in zip(slots, after, strict=False):
            if old is not None and same_place(old, endpoints.get(old.instance)):
                assert same_place(old, new)
        assert assign(after, endpoints, wanted) == after
        slots = after


@given(before=WANTED, after=WANTED)
def test_a_slot_goes_from_one_endpoint_to_another_only_when_no_other_is_spare(
    before: dict[str, Endpoint], after: dict[str, Endpoint]
) -> None:
    slots = assign((), before, 0)
    later = assign(slots, after, 0)
    swapped = [n for n, old in enumerate(slots) if old and later[n] and not same_place(old, later[n])]
    assert not swapped or None not in [new for old, new in zip(slots, later, strict=False) if old is None]


@given(before=WANTED, after=WANTED)
def test_the_commands_bring_haproxy_from_one_to_the_other(
    before: dict[str, Endpoint], after: dict[str, Endpoint]
) -> None:
    """And nothing new is sent a request before a check has passed."""
    slots = assign((), before, 6)
    later = assign(slots, after, 6)
    haproxy = FakeHaproxy(slots)
    for n, (old, new) in enumerate(zip(slots, later, strict=True)):
        for command in commands("team.shop", n, old, new):
            haproxy.tell(command)
    assert haproxy.has(later)
    old_places = {f"{each.address}:{each.port}" for each in slots if each}
    assert haproxy.served <= old_places


@pytest.mark.parametrize(("wanted", "slots"), [(0, 4), (1, 4), (4, 4), (5, 8), (8, 8), (9, 16), (1000, 1024)])
def test_slots_grow_in_powers_of_two(wanted: int, slots: int) -> None:
    assert size(wanted) == slots
    assert slots >= LEAST_SLOTS


def test_a_new_endpoint_is_declared_down_before_it_may_get_requests() -> None:
    assert commands("team.shop", 0, None, held("0-1")) == [
        "set server team.shop/s1 addr 10.0.0.1 port 8080",
        "set server team.shop/s1 state drain",
        "set server team.shop/s1 health down",
        "set server team.shop/s1 state ready",
    ]


def test_shape_is_everything_but_who_is_in_the_slots() -> None:
    one = backend(held("0-1"), None)
    assert one.same_shape(backend(None, held("0-2")))
    assert not one.same_shape(backend(held("0-1")))
    assert not one.same_shape(None)
    assert one.name == "team.shop"
