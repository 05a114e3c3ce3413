"""An edge whose HAProxy does not run yet: from its first request on, it answers as one that has run all along."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.embedded import free_port
from scheduler import tls
from scheduler.model import Endpoint, HealthCheck
from scheduler.tls import Certificate, Sealer
from tests import services
from tests.certificates import make, shown
from tests.real.edge.conftest import Bench, config, endpoint
from tests.real.edge.server import get
from tests.real.scheduler.test_etcd import RealBench
from tests.services import EDGE_KEY, EdgeAgent, process, wait_until

RARE = HealthCheck(interval=3600, timeout=30)  # HAProxy's own checks come too late for any of this


@contextlib.contextmanager
def new_edge(bench: Bench, folder: Path) -> Iterator[EdgeAgent]:
    """A second one, from the moment on at which it takes connections."""
    home = folder / "second"
    home.mkdir()
    with services.edge(home, bench.address, bench.prefix, "second") as second:
        yield second


@pytest.fixture
def mute() -> Iterator[Endpoint]:
    """An instance that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Endpoint("1-1", "127.0.0.1", listener.getsockname()[1])


def test_a_new_edge_serves_what_is_well_from_its_first_request_on(bench: Bench, tmp_path: Path) -> None:
    for app in ("shop", "blog"):
        well = endpoint("0-1", bench.server(app))
        sick = endpoint("1-1", bench.server("sick", status=500))
        nobody = Endpoint("2-1", "127.0.0.1", free_port())
        bench.publish(app, config(f"{app}.test", slots=4, health=RARE), well, sick, nobody)
        bench.up(app, "0-1")
    with new_edge(bench, tmp_path) as second:
        for app in ("shop", "blog"):
            assert {get(second.port, f"{app}.test") for _ in range(20)} == {(200, app)}


def test_a_new_edge_has_the_certificates_from_its_first_request_on(bench: Bench, tmp_path: Path) -> None:
    made = make("shop.test")
    wanted = {"team.shop": Certificate(made.pem, ("shop.test",), https_only=True)}
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", bench.server("one")))
    bench.applied(tls.publish(bench.etcd, Sealer([EDGE_KEY]), wanted))
    with new_edge(bench, tmp_path) as second:
        assert shown(second.https_port, "shop.test")[0].serial_number == made.serial
        assert get(second.port, "shop.test")[0] == 308


def test_an_instance_that_does_not_answer_keeps_no_new_edge_from_serving(
    bench: Bench, tmp_path: Path, mute: Endpoint
) -> None:
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", bench.server("one")), mute)
    bench.up("shop", "0-1")
    with new_edge(bench, tmp_path) as second:
        assert {get(second.port, "shop.test") for _ in range(20)} == {(200, "one")}


def test_an_edge_that_comes_back_serves_what_is_there_now_and_not_what_was(bench: Bench) -> None:
    old = bench.server("old")
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", old))
    bench.publish("gone", config("gone.test", health=RARE), endpoint("0-1", old))
    bench.up("shop", "0-1")
    bench.agent.lose_power()
    bench.publish("gone", None)
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-2", bench.server("new")))
    bench.agent.start()
    assert {get(bench.agent.port, "shop.test") for _ in range(20)} == {(200, "new")}
    assert get(bench.agent.port, "gone.test")[0] == 404


def test_without_etcd_an_edge_that_comes_back_serves_what_was_from_its_first_request_on(
    frail: Bench, own_etcd: RealBench
) -> None:
    frail.publish("shop", config("shop.test", health=RARE), endpoint("0-1", frail.server("one")))
    frail.up("shop", "0-1")
    own_etcd.kill()
    frail.agent.lose_power()
    frail.agent.start()
    assert {get(frail.agent.port, "shop.test") for _ in range(20)} == {(200, "one")}


def test_without_etcd_a_new_edge_takes_no_requests_until_it_can_read_it(
    frail: Bench, own_etcd: RealBench, tmp_path: Path
) -> None:
    frail.publish("shop", config("shop.test", health=RARE), endpoint("0-1", frail.server("one")))
    frail.up("shop", "0-1")
    own_etcd.kill()
    home = tmp_path / "second"
    home.mkdir()
    second = EdgeAgent(home, frail.address, frail.prefix, "second", {})
    try:
        with process(second.argv, second.log, second.env):
            wait_until((second.folder / "conf" / "00-edge.cfg").exists, "it has begun")
            assert not services.listens(("127.0.0.1", second.port))
            own_etcd.start()
            wait_until(lambda: services.listens(("127.0.0.1", second.port)), "it takes requests")
            assert {get(second.port, "shop.test") for _ in range(20)} == {(200, "one")}
    finally:
        services.front.end(home)


def test_once_serves_as_a_new_edge_does(bench: Bench, tmp_path: Path) -> None:
    bench.publish("shop", config("shop.test", health=RARE), endpoint("0-1", bench.server("one")))
    home = tmp_path / "second"
    home.mkdir()
    second = EdgeAgent(home, bench.address, bench.prefix, "second", {})
    try:
        subprocess.run([*second.argv, "--once"], env=second.env, check=True, timeout=60)
        assert {get(second.port, "shop.test") for _ in range(20)} == {(200, "one")}
    finally:
        services.front.end(home)
