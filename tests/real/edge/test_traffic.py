"""Each request is counted once, for the release that answered it, whatever happens to HAProxy and its agent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from cloud.embedded import free_port
from scheduler.model import Endpoint, Protocol
from scheduler.traffic.figures import Figures, Outcome
from scheduler.traffic.store import RedisTraffic
from tests import services
from tests.real.edge.conftest import Bench, Benches, config, endpoint
from tests.real.edge.server import Server, get
from tests.services import wait_until

SHOP, HOST = ("team", "shop"), "shop.test"


class Traffic:
    def __init__(self, bench: Bench, redis: Path) -> None:
        self.bench, self.redis = bench, RedisTraffic(f"unix://{redis}")

    def publish(self, *endpoints: Endpoint, slots: int = 2) -> None:
        self.bench.applied(self.bench.publish("shop", config(HOST, slots=slots), *endpoints))
        for held in endpoints:
            self.bench.up("shop", held.instance)

    def ask(self, count: int, path: str = "/") -> None:
        for _ in range(count):
            assert self.bench.get(HOST, path)[0] == 200

    def of(self, release: int | None, app: tuple[str, str] = SHOP) -> Figures:
        return self.redis.window(app, release, 600)

    def counted(self, **by_release: int) -> None:
        """Wait until each release (`r1`, …) has so many requests, and the counters say the same."""
        wanted = {int(name[1:]): count for name, count in by_release.items()}
        wait_until(lambda: {of: self.of(of).requests for of in wanted} == wanted, f"counted: {by_release}")
        wait_until(lambda: self.totals() == wanted, f"added up: {by_release}")

    def totals(self) -> dict[int, int]:
        return {each.release: sum(each.outcomes.values()) for each in self.redis.totals() if each.app == SHOP}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with services.redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def traffic(benches: Benches, etcd_address: tuple[str, int], redis: Path) -> Traffic:
    traffic = Traffic(benches.make(etcd_address, {"BERTH_REDIS_URL": f"unix://{redis}"}), redis)
    redis_client(redis).flushall()
    return traffic


def redis_client(path: Path) -> Redis:
    return Redis(unix_socket_path=str(path))


def of_release(held: Endpoint, release: int) -> Endpoint:
    return replace(held, release=release)


def test_requests_are_counted_by_release_with_bytes_and_latency(traffic: Traffic) -> None:
    server = traffic.bench.server("old")
    traffic.publish(of_release(endpoint("0-1", server), 1))
    traffic.ask(20)
    traffic.counted(r1=20)
    figures = traffic.of(1)
    assert figures.outcomes == {Outcome.SERVED: 20}
    assert figures.bytes_out > 20 * len("old")
    assert figures.bytes_in > 20 * len("GET / HTTP/1.1")
    assert sum(figures.latencies.values()) == 20
    assert figures.p50 is not None
    assert figures.p99 is not None
    assert 0 < figures.p50 <= figures.p99 < 10


def test_another_release_in_the_same_slot_is_counted_apart(traffic: Traffic) -> None:
    one, other = traffic.bench.server("old"), traffic.bench.server("new")
    traffic.publish(of_release(endpoint("0-1", one), 1))
    traffic.ask(5)
    for round_ in range(3):  # each takes the slot that the one before has left
        traffic.publish(of_release(endpoint(f"0-{2 + 2 * round_}", other), 2))
        traffic.ask(7)
        traffic.publish(of_release(endpoint(f"0-{3 + 2 * round_}", one), 1))
        traffic.ask(5)
    traffic.counted(r1=20, r2=21)


def test_a_request_that_outlives_a_reload_counts_for_the_release_that_answered_it(traffic: Traffic) -> None:
    old, new = traffic.bench.server("old"), traffic.bench.server("new")
    traffic.publish(of_release(endpoint("0-1", old), 1))
    slow = threading.Thread(target=get, args=(traffic.bench.agent.port, HOST, "/slow"))
    slow.start()
    wait_until(lambda: "/slow" in old.requests, "it is under way")
    for number in (5, 9):  # a reload each
        traffic.publish(of_release(endpoint("0-2", new), 2), slots=number)
        traffic.ask(10)
    old.hold.set()
    slow.join()
    traffic.counted(r1=1, r2=20)


def test_under_load_with_reloads_no_answer_is_counted_twice_and_hardly_any_is_lost(traffic: Traffic) -> None:
    server = traffic.bench.server("old")
    traffic.publish(of_release(endpoint("0-1", server), 1))
    with traffic.bench.load(HOST) as load:
        for number in (5, 9, 17):
            traffic.publish(of_release(endpoint("0-1", server), 1), slots=number)
            enough = load.done + 50
            wait_until(lambda enough=enough: load.done > enough, "requests go on")  # type: ignore[misc]
    assert set(load.answers) == {"200"}
    # under load a line has been missing now and then
    wait_until(lambda: 0.99 * load.done <= traffic.of(1).requests <= load.done, "nearly all of them are counted")
    wait_until(lambda: traffic.totals() == {1: traffic.of(1).requests}, "and added up")


def test_what_is_asked_while_the_agent_is_away_is_counted_when_it_is_back(traffic: Traffic) -> None:
    server = traffic.bench.server("old")
    traffic.publish(of_release(endpoint("0-1", server), 1))
    traffic.ask(5)
    traffic.counted(r1=5)
    traffic.bench.agent.kill()
    traffic.ask(30)
    traffic.bench.agent.start()
    traffic.ask(5)
    traffic.counted(r1=40)
    traffic.ask(3)
    assert traffic.bench.agent.stop() == 0  # it writes what it has read; HAProxy may say the rest a moment later
    traffic.bench.agent.start()
    traffic.counted(r1=43)


def test_while_redis_is_away_requests_are_served_and_counted_later(
    benches: Benches, etcd_address: tuple[str, int], tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(services.redis(tmp_path))
        traffic = Traffic(benches.make(etcd_address, {"BERTH_REDIS_URL": f"unix://{path}"}), path)
        server = traffic.bench.server("old")
        traffic.publish(of_release(endpoint("0-1", server), 1))
        traffic.ask(5)
        traffic.counted(r1=5)
        stack.close()
        traffic.ask(10)
        wait_until(lambda: traffic.bench.logged("traffic_not_written"), "it is noticed")
        traffic.ask(10)
        with services.redis(tmp_path):  # empty
            # the step is written anew with all that was counted in it; the counters begin again
            wait_until(lambda: sum(of.requests for of in points(traffic)) >= 20, "what was kept is written")
            traffic.ask(1)
            wait_until(lambda: sum(of.requests for of in points(traffic)) >= 21, "and what comes now")


def points(traffic: Traffic) -> list[Figures]:
    return [figures for point in traffic.redis.series(SHOP, 600) for figures in point.releases.values()]


def test_each_kind_of_failure_has_its_name(traffic: Traffic) -> None:
    server, silent = traffic.bench.server("old"), traffic.bench.server("silent")
    traffic.bench.applied(
        traffic.bench.publish("shop", config(HOST, timeout=0.5), of_release(endpoint("0-1", server), 1))
    )
    traffic.bench.up("shop", "0-1")
    server.status = 500
    server.check_status = 200
    traffic.bench.get(HOST)
    server.status = 404
    traffic.bench.get(HOST)
    server.status = 200
    assert traffic.bench.get(HOST, "/slow")[0] == 504
    server.hold.set()
    server.check_status = 500
    traffic.bench.status(HOST, 503)
    wait_until(lambda: traffic.of(0).outcomes.get(Outcome.NO_SERVER, 0) >= 1, "none is healthy")
    figures = traffic.of(1)
    assert {of: figures.outcomes.get(of) for of in (Outcome.ERROR, Outcome.REFUSED, Outcome.TIMEOUT)} == dict.fromkeys(
        (Outcome.ERROR, Outcome.REFUSED, Outcome.TIMEOUT), 1
    )
    silent.close()


def test_open_connections_are_the_sessions_of_now(traffic: Traffic) -> None:
    server = traffic.bench.server("old")
    traffic.publish(of_release(endpoint("0-1", server), 1))
    slow = [threading.Thread(target=get, args=(traffic.bench.agent.port, HOST, "/slow")) for _ in range(3)]
    for thread in slow:
        thread.start()
    wait_until(lambda: traffic.of(1).sessions == 3, "they are under way")
    traffic.publish(of_release(endpoint("0-1", server), 1), slots=9)  # which the worker before goes on with
    wait_until(lambda: traffic.of(1).sessions == 3, "they still are")
    server.hold.set()
    for thread in slow:
        thread.join()
    wait_until(lambda: traffic.of(1).sessions == 0, "they have ended")
    traffic.counted(r1=3)


def test_sessions_over_tcp_are_counted(traffic: Traffic) -> None:
    server, port = traffic.bench.server("old"), free_port()
    traffic.bench.publish("queue", config(protocol=Protocol.TCP, tcp_port=port), of_release(endpoint("0-1", server), 4))
    traffic.bench.up("queue", "0-1")
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while client.recv(4096):
                pass
    wait_until(lambda: traffic.of(4, ("team", "queue")).outcomes == {Outcome.SESSION: 3}, "three sessions")


def test_an_edge_without_redis_serves(bench: Bench) -> None:
    server: Server = bench.server("old")
    bench.publish("shop", config(HOST), endpoint("0-1", server))
    bench.answers(HOST, (200, "old"))
