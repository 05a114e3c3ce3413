from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.edge.tally import MOST_GONE, MOST_PLACES, Places, Tally
from scheduler.traffic.batch import COARSE, FINE
from scheduler.traffic.figures import Outcome, total
from tests.unit.scheduler.edge.build import backend, held

SHOP = ("team", "shop")
LINE = b"<6>|team.shop|10.0.0.1:8080|200|--|0|0|3|82|73|"
NOWHERE = b"<6>|team.shop|-:-|503|SC|-1|-1|-1|82|73|"


def known() -> Places:
    places = Places()
    places.know(backend(replace(held("0-1"), release=7)))
    return places


def test_a_line_counts_for_the_release_at_its_place_in_steps_of_both_scales() -> None:
    tally = Tally("edge.1", known().release)
    tally.take({LINE: 3, NOWHERE: 2, b"else": 1}, 1234.5)
    batch = tally.batch(1235.0)
    assert batch is not None
    counted = {(each.scale, each.begin, each.app, each.release): each.figures.outcomes for each in batch.entries}
    assert counted == {
        (FINE, 1230, SHOP, 7): {Outcome.SERVED: 3},
        (FINE, 1230, SHOP, 0): {Outcome.NO_SERVER: 2},
        (COARSE, 1200, SHOP, 7): {Outcome.SERVED: 3},
        (COARSE, 1200, SHOP, 0): {Outcome.NO_SERVER: 2},
    }
    assert {of: figures.requests for of, figures in batch.added.items()} == {(SHOP, 7): 3, (SHOP, 0): 2}


def test_a_line_that_stands_for_several_counts_so_often() -> None:
    tally = Tally("edge.1", known().release)
    tally.take({LINE.replace(b"<6>", b"<5>"): 2}, 1234.5)
    batch = tally.batch(1235.0)
    assert batch is not None
    figures = batch.added[SHOP, 7]
    assert (figures.requests, figures.bytes_in, figures.milliseconds) == (32, 32 * 82, 32 * 3)
    assert sum(figures.latencies.values()) == 32


def test_a_step_is_told_anew_with_all_of_it_and_added_is_only_what_is_new() -> None:
    tally = Tally("edge.1", known().release)
    tally.take({LINE: 3}, 1230.0)
    first = tally.batch(1231.0)
    tally.take({LINE: 1}, 1232.0)
    second = tally.batch(1233.0)
    assert first is not None
    assert second is not None
    assert [each.figures.requests for each in second.entries if each.scale is FINE] == [4]
    assert second.added[SHOP, 7].requests == 1
    assert first.name != second.name
    assert tally.batch(1234.0) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.booleans()), max_size=30))
def test_however_often_it_is_told_nothing_is_lost_or_doubled(told: list[tuple[int, int, bool]]) -> None:
    tally = Tally("edge.1", known().release)
    now, steps, added = 1000.0, {}, []
    for seconds, count, write in told:
        now += seconds
        tally.take({LINE: count}, now)
        if write and (batch := tally.batch(now)) is not None:
            steps |= {(each.scale, each.begin): each.figures for each in batch.entries}
            added += batch.added.values()
    if (batch := tally.batch(now)) is not None:
        steps |= {(each.scale, each.begin): each.figures for each in batch.entries}
        added += batch.added.values()
    all_of_it = sum(count for _, count, _ in told)
    for scale in (FINE, COARSE):
        assert total(figures for (of, _), figures in steps.items() if of is scale).requests == all_of_it
    assert total(added).requests == all_of_it


def test_sessions_are_those_of_the_last_look_and_their_end_is_told() -> None:
    tally = Tally("edge.1", known().release)
    tally.sessions([("team.shop", "10.0.0.1:8080", 2)], 1230.0)
    first = tally.batch(1231.0)
    tally.sessions([], 1234.0)
    second = tally.batch(1235.0)
    assert first is not None
    assert second is not None
    assert ({each.figures.sessions for each in first.entries}, {each.figures.sessions for each in second.entries}) == (
        {2},
        {0},
    )


def test_a_place_is_remembered_after_its_instance_and_its_app_have_gone() -> None:
    places = known()
    places.know(backend(replace(held("0-2", 2), release=8)))
    assert [places.release("team.shop", f"10.0.0.{host}:8080") for host in (1, 2, 3)] == [7, 8, 0]
    places.forget("team.shop")
    assert places.release("team.shop", "10.0.0.2:8080") == 8
    places.know(backend(replace(held("0-3", 2), release=9)))
    assert places.release("team.shop", "10.0.0.2:8080") == 9


def test_what_is_remembered_is_bounded() -> None:
    places = known()
    for host in range(2, MOST_PLACES + 10):
        places.know(backend(replace(held("0-1"), address=f"10.1.{host >> 8}.{host & 255}", release=host)))
    assert places.release("team.shop", "10.0.0.1:8080") == 0
    for number in range(MOST_GONE + 1):
        places.know(backend(replace(held("0-1"), release=3), app=f"app-{number}"))
        places.forget(f"team.app-{number}")
    assert places.release("team.app-0", "10.0.0.1:8080") == 0
    assert places.release(f"team.app-{MOST_GONE}", "10.0.0.1:8080") == 3
