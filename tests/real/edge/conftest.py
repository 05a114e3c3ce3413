"""An edge on a real etcd and a real HAProxy, and the loop's side of what they say to each other."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler import discovery
from scheduler.discovery import AppConfig, Report
from scheduler.etcd import Etcd, EtcdError
from scheduler.model import Endpoint, HealthCheck, Probe, Protocol, Route
from scheduler.routing import HttpOptions
from tests import services
from tests.real.edge.server import Load, Server, get
from tests.real.scheduler.test_etcd import RealBench
from tests.services import EdgeAgent, wait_until

CHECK = HealthCheck(interval=0.2, timeout=0.5, failures=2)


def config(
    *hosts: str | Route, slots: int = 2, health: HealthCheck = CHECK, protocol: Protocol = Protocol.HTTP, **more: Any
) -> AppConfig:
    """A host may be followed by a path. `more`: options of HTTP, or of the app itself."""
    routes = [
        host if isinstance(host, Route) else Route(host.partition("/")[0], f"/{host.partition('/')[2]}")
        for host in hosts
    ]
    app = {name: more.pop(name) for name in ("cookie_key", "tcp_port", "canary") if name in more}
    return AppConfig(protocol, 80, health, tuple(routes), slots, HttpOptions(**more), **app)


def endpoint(instance: str, server: Server, draining: bool = False) -> Endpoint:
    return Endpoint(instance, "127.0.0.1", server.server_port, draining)


class Bench:
    """What the loop would do and see, and what a client does and sees."""

    def __init__(self, agent: EdgeAgent, etcd: Etcd, address: tuple[str, int], prefix: str) -> None:
        self.agent, self.etcd, self.address, self.prefix = agent, etcd, address, prefix
        self._servers: list[Server] = []

    def server(self, name: str, port: int = 0, status: int = 200) -> Server:
        server = Server(name, port, status)
        self._servers.append(server)
        return server

    def publish(self, app: str, config: AppConfig | None, *endpoints: Endpoint) -> int:
        return discovery.publish(self.etcd, "team", app, config, endpoints)

    def applied(self, revision: int) -> None:
        """Wait until the edge serves everything up to it."""
        edges = self.edges
        wait_until(lambda: any(edge.applied >= revision for edge in edges()), f"{revision} is applied")

    def edges(self) -> list[discovery.Edge]:
        with contextlib.suppress(EtcdError):
            return discovery.read_edges(self.etcd)
        return []

    def report(self, app: str) -> Report | None:
        with contextlib.suppress(EtcdError):
            return discovery.read_reports(self.etcd, "team", app, self.edges()).get("edge")
        return None

    def probe(self, app: str, instance: str) -> Probe | None:
        report = self.report(app)
        return report.probes.get(instance) if report else None

    def up(self, app: str, instance: str) -> None:
        wait_until(lambda: (probe := self.probe(app, instance)) and probe.up, f"{instance} is reported up")

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        return get(self.agent.port, host, path)

    def answers(self, host: str, *expected: tuple[int, str], path: str = "/") -> None:
        """Wait until a request is answered like this."""
        wait_until(lambda: self._quiet(host, path) in expected, f"{host}{path} answers {expected}")

    def status(self, host: str, status: int, path: str = "/") -> None:
        wait_until(lambda: self._quiet(host, path)[0] == status, f"{host}{path} answers {status}")

    def _quiet(self, host: str, path: str) -> tuple[int, str]:
        try:
            return self.get(host, path)
        except OSError as error:
            return 0, str(error)

    def load(self, host: str, clients: int = 4) -> Load:
        return Load(self.agent.port, host, clients)

    def logged(self, event: str) -> int:
        """How often the agent has said it."""
        return self.agent.log.read_text().count(f'"event": "{event}"')

    def close(self) -> None:
        while self._servers:
            self._servers.pop().close()


@pytest.fixture(scope="session")
def etcd_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with services.etcd(tmp_path_factory.mktemp("etcd")) as address:
        yield address


class Benches:
    """Benches on etcds of the test's choice, each on a prefix and in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, contextlib.ExitStack()

    def make(self, address: tuple[str, int], env: dict[str, str] | None = None, name: str = "edge") -> Bench:
        prefix = f"/{secrets.token_hex(4)}/"
        home = self._folder / name
        home.mkdir()
        etcd = Etcd(*address, prefix)
        self._stack.callback(etcd.close)
        discovery.mark_complete(etcd)
        agent = self._stack.enter_context(services.edge(home, address, prefix, name, env))
        bench = Bench(agent, etcd, address, prefix)
        self._stack.callback(bench.close)
        wait_until(bench.edges, "the edge is present")
        return bench

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def benches(tmp_path: Path) -> Iterator[Benches]:
    benches = Benches(tmp_path)
    yield benches
    benches.close()


@pytest.fixture
def bench(benches: Benches, etcd_address: tuple[str, int]) -> Bench:
    """One that the test may break."""
    return benches.make(etcd_address)


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[RealBench]:
    etcd = RealBench(tmp_path)
    yield etcd
    etcd.etcd.close()
    etcd.kill()


@pytest.fixture
def frail(benches: Benches, own_etcd: RealBench) -> Bench:
    """A bench on an etcd that the test may kill."""
    return benches.make(("127.0.0.1", own_etcd.ports[0]))


@pytest.fixture(scope="session")
def one_bench(tmp_path_factory: pytest.TempPathFactory, etcd_address: tuple[str, int]) -> Iterator[Bench]:
    benches = Benches(tmp_path_factory.mktemp("edge"))
    yield benches.make(etcd_address)
    benches.close()


@pytest.fixture
def shared(one_bench: Bench) -> Iterator[Bench]:
    """One that many tests use one after the other; what they publish is gone after each."""
    yield one_bench
    revisions = [one_bench.publish(app, None) for _, app in discovery.published_apps(one_bench.etcd)]
    one_bench.applied(max(revisions, default=0))
    one_bench.close()
