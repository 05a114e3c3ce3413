"""What every etcd of Berth's has to do: run on the fake and on the real one, each of which provides `bench`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Protocol

import pytest

from scheduler.etcd_base import (
    Changes,
    Compacted,
    Conflict,
    EtcdUnavailable,
    LeaseLost,
    Peek,
    Snapshot,
    Store,
)
from tests.services import wait_until


class Bench(Protocol):
    """An etcd on test, empty, and what can happen to it."""

    etcd: Store

    def kill(self) -> None:
        """It is away from now on; what it held is on disk."""

    def start(self) -> None: ...

    def wipe(self) -> None:
        """Lose everything; it may run or be away."""

    def compact(self) -> None: ...

    def expire(self, lease: int) -> None:
        """Let its time run out."""


class Follower:
    """Follows in a thread and keeps what the world looks like by that alone."""

    def __init__(self, etcd: Store, prefix: str, check: float = 5.0) -> None:
        self.values: dict[str, str] = {}
        self.revision = 0
        self.news: queue.SimpleQueue[Snapshot | Changes] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(etcd, prefix, check), daemon=True)
        self._thread.start()

    def _run(self, etcd: Store, prefix: str, check: float) -> None:
        for news in etcd.follow(prefix, self._stop, check):
            if isinstance(news, Snapshot):
                self.values = dict(news.values)
            else:
                self.values |= {key: value for key, value in news.values.items() if value is not None}
                for key in (key for key, value in news.values.items() if value is None):
                    self.values.pop(key, None)
            self.revision = news.revision
            self.news.put(news)

    def sees(self, values: dict[str, str]) -> None:
        wait_until(lambda: self.values == values, f"the follower sees {values}")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def follower(bench: Bench) -> Iterator[Follower]:
    follower = Follower(bench.etcd, "apps/")
    yield follower
    follower.close()


def test_what_is_written_is_read_at_its_revision(bench: Bench) -> None:
    first = bench.etcd.write({"apps/a": "1", "apps/b": "2", "other": "3"})
    second = bench.etcd.write({"apps/c": "é"}, ["apps/a", "apps/never"])
    assert second == first + 1
    assert bench.etcd.read("apps/") == Snapshot({"apps/b": "2", "apps/c": "é"}, second, second)
    assert bench.etcd.read("other", "apps/b") == Snapshot({"apps/b": "2", "other": "3"}, second, first)
    assert bench.etcd.keys("apps/") == {"apps/b", "apps/c"}


def test_a_prefix_of_nothing_is_empty_at_the_revision_of_now(bench: Bench) -> None:
    revision = bench.etcd.put("a", "1")
    assert bench.etcd.read("b") == Snapshot({}, revision, 0)


def test_a_write_of_nothing_returns_the_revision_of_now(bench: Bench) -> None:
    revision = bench.etcd.put("a", "1")
    assert bench.etcd.write({}) == revision
    assert bench.etcd.delete("never") == revision


def test_more_than_one_transaction_holds_is_written_all_the_same(bench: Bench) -> None:
    many = {f"apps/{number:03}": "x" * 10_000 for number in range(300)}
    revision = bench.etcd.write(many)
    assert bench.etcd.read("apps/") == Snapshot(many, revision, revision)
    bench.etcd.write({}, list(many))
    assert bench.etcd.read("apps/").values == {}


def test_a_conditional_write_happens_only_if_the_key_is_as_it_was(bench: Bench) -> None:
    revision = bench.etcd.write({"a": "1"}, unchanged={"a": 0})
    with pytest.raises(Conflict):
        bench.etcd.write({"a": "2"}, unchanged={"a": 0})
    bench.etcd.write({"b": "2"}, unchanged={"a": revision})
    bench.etcd.put("a", "3")
    with pytest.raises(Conflict):
        bench.etcd.write({"b": "4"}, unchanged={"a": revision})
    assert bench.etcd.read("").values == {"a": "3", "b": "2"}


def test_a_look_tells_of_writes_and_of_how_many_keys_there_are(bench: Bench) -> None:
    first = bench.etcd.write({"apps/a": "1", "apps/b": "1"})
    assert bench.etcd.peek("apps/", first) == Peek(False, 2, first)
    elsewhere = bench.etcd.put("other", "1")
    assert bench.etcd.peek("apps/", first) == Peek(False, 2, elsewhere)
    deleted = bench.etcd.delete("apps/a")
    assert bench.etcd.peek("apps/", first) == Peek(False, 1, deleted)
    written = bench.etcd.put("apps/b", "2")
    assert bench.etcd.peek("apps/", first) == Peek(True, 1, written)


def test_keys_of_a_lease_go_with_it(bench: Bench) -> None:
    lease = bench.etcd.grant(5)
    bench.etcd.put("edges/a", "1", lease=lease)
    bench.etcd.put("edges/b", "1")
    bench.etcd.keep_alive(lease)
    bench.etcd.revoke(lease)
    assert bench.etcd.keys("edges/") == {"edges/b"}
    bench.etcd.revoke(lease)
    with pytest.raises(LeaseLost):
        bench.etcd.keep_alive(lease)
    with pytest.raises(LeaseLost):
        bench.etcd.put("edges/a", "1", lease=lease)


def test_a_key_that_was_put_under_another_lease_stays_when_the_first_one_expires(bench: Bench) -> None:
    first, second = bench.etcd.grant(2), bench.etcd.grant(60)
    bench.etcd.put("edges/a", "1", lease=first)
    bench.etcd.put("edges/b", "1", lease=first)
    bench.etcd.put("edges/a", "2", lease=second)
    bench.expire(first)
    wait_until(lambda: bench.etcd.keys("edges/") == {"edges/a"}, "the first lease has expired")


def test_a_watch_yields_each_write_below_its_prefix(bench: Bench) -> None:
    start = bench.etcd.put("apps/a", "1")
    with bench.etcd.watch("apps/", start + 1) as watch:
        assert watch.next(0.05) is None
        bench.etcd.put("other", "1")
        first = bench.etcd.write({"apps/a": "2", "apps/b": "1", "other": "2"})
        assert watch.next(10) == Changes({"apps/a": "2", "apps/b": "1"}, first)
        second = bench.etcd.delete("apps/b")
        assert watch.next(10) == Changes({"apps/b": None}, second)


def test_a_watch_starts_in_the_past_if_asked(bench: Bench) -> None:
    first = bench.etcd.put("apps/a", "1")
    bench.etcd.put("apps/b", "1")
    seen: dict[str, str | None] = {}
    with bench.etcd.watch("apps/", first) as watch:
        while len(seen) < 2:
            changes = watch.next(10)
            assert changes is not None
            seen |= changes.values
    assert seen == {"apps/a": "1", "apps/b": "1"}


def test_a_watch_of_history_that_is_gone_says_so(bench: Bench) -> None:
    first = bench.etcd.put("apps/a", "1")
    bench.etcd.put("apps/a", "2")
    bench.etcd.put("apps/a", "3")
    bench.compact()
    with bench.etcd.watch("apps/", first) as watch, pytest.raises(Compacted):
        watch.next(10)


def test_a_watch_says_so_when_etcd_goes_away(bench: Bench) -> None:
    start = bench.etcd.put("apps/a", "1")
    with bench.etcd.watch("apps/", start + 1) as watch:
        assert watch.next(0.2) is None
        bench.kill()
        with pytest.raises(EtcdUnavailable):
            watch.next(10)
        with pytest.raises(EtcdUnavailable):
            watch.next(10)


def test_an_etcd_that_is_away_is_an_error_and_no_wait_without_end(bench: Bench) -> None:
    lease = bench.etcd.grant(5)
    bench.kill()
    for call in (
        lambda: bench.etcd.read("a"),
        lambda: bench.etcd.keys("a"),
        lambda: bench.etcd.peek("a", 1),
        lambda: bench.etcd.put("a", "1"),
        lambda: bench.etcd.grant(5),
        lambda: bench.etcd.keep_alive(lease),
    ):
        with pytest.raises(EtcdUnavailable):
            call()


def test_the_client_works_on_when_etcd_is_back(bench: Bench) -> None:
    bench.etcd.put("a", "1")
    bench.kill()
    with pytest.raises(EtcdUnavailable):
        bench.etcd.read("a")
    bench.start()

    def answers() -> bool:
        try:
            return bench.etcd.read("a").values == {"a": "1"}
        except EtcdUnavailable:
            return False

    wait_until(answers, "etcd answers again with what it held")


def test_a_follower_sees_all_that_is_there_and_then_each_change(bench: Bench) -> None:
    bench.etcd.put("apps/a", "1")
    follower = Follower(bench.etcd, "apps/")
    assert follower.news.get(timeout=10) == bench.etcd.read("apps/")
    revision = bench.etcd.write({"apps/b": "2"}, ["apps/a"])
    assert follower.news.get(timeout=10) == Changes({"apps/a": None, "apps/b": "2"}, revision)
    follower.close()


def test_a_follower_outlives_a_restart_of_etcd(bench: Bench, follower: Follower) -> None:
    bench.etcd.put("apps/a", "1")
    follower.sees({"apps/a": "1"})
    bench.kill()
    bench.start()
    wait_until(lambda: _put(bench.etcd, "apps/b"), "etcd takes a write again")
    follower.sees({"apps/a": "1", "apps/b": "1"})


def test_a_follower_sees_that_etcd_was_wiped_while_it_was_away(bench: Bench, follower: Follower) -> None:
    for _ in range(5):
        revision = bench.etcd.put("apps/a", "1")
    follower.sees({"apps/a": "1"})
    bench.kill()
    bench.wipe()
    bench.start()
    follower.sees({})
    wait_until(lambda: _put(bench.etcd, "apps/b"), "etcd takes a write again")
    follower.sees({"apps/b": "1"})
    assert follower.revision < revision


def test_a_follower_outlives_compaction(bench: Bench, follower: Follower) -> None:
    bench.etcd.put("apps/a", "1")
    follower.sees({"apps/a": "1"})
    bench.etcd.put("other", "1")
    bench.compact()
    bench.etcd.put("apps/a", "2")
    follower.sees({"apps/a": "2"})


def test_a_follower_waits_for_an_etcd_that_is_not_there_yet(bench: Bench) -> None:
    bench.kill()
    follower = Follower(bench.etcd, "apps/")
    bench.start()
    wait_until(lambda: _put(bench.etcd, "apps/a"), "etcd takes a write")
    follower.sees({"apps/a": "1"})
    follower.close()


def _put(etcd: Store, key: str) -> bool:
    try:
        etcd.put(key, "1")
    except EtcdUnavailable:
        return False
    return True
