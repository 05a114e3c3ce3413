"""Figures written by edges are read as the sum of what they have seen, and end by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from scheduler.traffic import store
from scheduler.traffic.batch import COARSE, FINE, Batch, Entry
from scheduler.traffic.figures import Figures, Outcome, bin_of, total
from scheduler.traffic.source import TrafficUnavailable
from scheduler.traffic.store import RedisTraffic
from tests import services

APP, NOW = ("team", "shop"), 2_000_000_000.0
ONE = Figures({Outcome.SERVED: 3, Outcome.ERROR: 1}, 300, 4000, {bin_of(3): 3, bin_of(70_000): 1}, 70_009, 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with services.redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def client(server: Path) -> Redis:
    client = Redis(unix_socket_path=str(server), decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def traffic(server: Path, client: Redis) -> RedisTraffic:
    return RedisTraffic(f"unix://{server}", lambda: NOW)


def batch(name: str, *begins: float, release: int = 1, figures: Figures = ONE) -> Batch:
    entries = tuple(
        Entry(scale, scale.begin(begin), APP, release, figures) for begin in begins for scale in (FINE, COARSE)
    )
    return Batch(name, entries, {(APP, release): figures})


def test_edges_releases_and_steps_add_up_in_a_window(traffic: RedisTraffic) -> None:
    traffic.write("one.a", batch("one.1", NOW - 10, NOW))
    traffic.write("two.b", batch("two.1", NOW))
    traffic.write("two.b", batch("two.2", NOW, release=2))
    assert traffic.window(APP, 1, 30).outcomes == {Outcome.SERVED: 9, Outcome.ERROR: 3}
    assert [traffic.window(APP, release, 30).requests for release in (1, 2, 3, None)] == [12, 4, 0, 16]
    assert traffic.window(APP, 1, 5).requests == 12  # a step that lies in it in part counts
    assert traffic.window(APP, 1, 0).requests == 8
    assert traffic.window(("team", "other"), 1, 30).requests == 0


def test_sessions_are_those_of_the_last_step_of_all_edges(traffic: RedisTraffic) -> None:
    traffic.write("one.a", batch("one.1", NOW - 10, NOW))
    traffic.write("two.b", batch("two.1", NOW))
    assert traffic.window(APP, 1, 30).sessions == 4


def test_a_step_that_is_written_again_is_replaced_and_a_batch_adds_to_the_totals_once(traffic: RedisTraffic) -> None:
    for _ in range(3):
        assert traffic.write("one.a", batch("one.1", NOW))
    assert traffic.window(APP, 1, 10).requests == 4
    (totals,) = traffic.totals()
    assert (totals.app, totals.release, totals.outcomes) == (APP, 1, {Outcome.SERVED: 3, Outcome.ERROR: 1})
    assert (totals.bytes_in, totals.bytes_out, totals.milliseconds) == (300, 4000, 70_009)
    assert {most: count for most, count in totals.within.items() if count} == {4: 3, 0: 1}
    traffic.write("one.a", batch("one.2", NOW))
    (totals,) = traffic.totals()
    assert totals.outcomes == {Outcome.SERVED: 6, Outcome.ERROR: 2}


def test_what_is_older_than_an_hour_is_read_in_steps_of_five_minutes(traffic: RedisTraffic) -> None:
    traffic.write("one.a", batch("one.1", NOW - 7000, NOW))
    assert [point.step for point in traffic.series(APP, 3600)] == [10]
    points = traffic.series(APP, 8000)
    assert [(point.begin, point.step) for point in points] == [
        (COARSE.begin(NOW - 7000), 300),
        (COARSE.begin(NOW), 300),
    ]
    assert total(each for point in points for each in point.releases.values()).requests == 8
    assert [point.begin for point in traffic.series(APP, 100, until=NOW - 6990)] == [COARSE.begin(NOW - 7000)]


def test_everything_ends_by_itself(traffic: RedisTraffic, client: Redis) -> None:
    traffic.write("one.a", batch("one.1", NOW))
    keys = list(client.scan_iter("*"))
    assert len(keys) == 5
    assert all(client.ttl(key) > 0 for key in keys)


def test_an_app_without_traffic_for_days_has_no_counters(traffic: RedisTraffic, server: Path) -> None:
    traffic.write("one.a", batch("one.1", NOW))
    later = RedisTraffic(f"unix://{server}", lambda: NOW + store.KEPT_TOTALS + 1)
    later.write("one.a", Batch("one.2", (), {(("team", "other"), 1): ONE}))
    assert [totals.app for totals in later.totals()] == [("team", "other")]


def test_counters_of_the_oldest_releases_make_room(traffic: RedisTraffic) -> None:
    for release in range(1, 200):
        traffic.write("one.a", batch(f"one.{release}", NOW, release=release))
    releases = [totals.release for totals in traffic.totals()]
    assert len(releases) * 6 <= store.MOST_COUNTERS + 6
    assert releases[-store.KEPT_RELEASES :] == list(range(200 - store.KEPT_RELEASES, 200))


def test_figures_leave_the_rest_of_redis_to_others(traffic: RedisTraffic, client: Redis) -> None:
    client.config_set("maxmemory", "1mb")
    try:
        assert not traffic.write("one.a", batch("one.1", NOW))
        assert client.dbsize() == 0
    finally:
        client.config_set("maxmemory", "256mb")


def test_what_another_version_has_written_says_nothing(traffic: RedisTraffic, client: Redis) -> None:
    client.hset(store.step_key(FINE, APP, FINE.begin(NOW)), f"{FINE.begin(NOW)}/1/one.a", '{"o": {"new": 1}}')
    assert traffic.window(APP, 1, 10).requests == 0


def test_without_redis_nobody_knows(tmp_path: Path) -> None:
    traffic = RedisTraffic(f"unix://{tmp_path}/none.sock")
    for ask in (
        lambda: traffic.window(APP, 1, 10),
        lambda: list(traffic.totals()),
        lambda: traffic.write("a", batch("a", NOW)),
    ):
        with pytest.raises(TrafficUnavailable):
            ask()
