from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from scheduler.discovery import AppConfig
from scheduler.edge import firstchecks
from scheduler.edge.firstchecks import FirstChecks
from scheduler.model import Endpoint, HealthCheck, Protocol
from tests.real.edge.conftest import config, endpoint
from tests.real.edge.server import Server
from tests.services import wait_until

APP = ("team", "shop")
CONFIG = config("shop.test", health=HealthCheck(timeout=0.2))


class Checking:
    """First checks on a loop of their own."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.passed: list[str] = []
        self.checks = FirstChecks(self.selector, lambda _app, endpoint: self.passed.append(endpoint.instance))

    def begin(self, endpoint: Endpoint, config: AppConfig = CONFIG) -> None:
        self.checks.begin(APP, endpoint, config, "shop.test", time.monotonic())

    def turn(self) -> None:
        due = self.checks.due()
        for key, _ in self.selector.select(0.05 if due is None else max(0.0, min(0.05, due - time.monotonic()))):
            key.data(time.monotonic())
        self.checks.run(time.monotonic())

    def until(self, true: Callable[[], object], what: str) -> None:
        def look() -> object:
            self.turn()
            return true()

        wait_until(look, what)


@pytest.fixture
def checking() -> Iterator[Checking]:
    checking = Checking()
    yield checking
    for instance in checking.checks.instances(APP):
        checking.checks.end(APP, instance)
    assert not checking.selector.get_map()
    checking.selector.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("one")
    yield server
    server.close()


def test_what_answers_well_passes_once(checking: Checking, server: Server) -> None:
    checking.begin(endpoint("0-1", server))
    checking.until(lambda: checking.passed, "it passes")
    assert (checking.passed, server.checks) == (["0-1"], 1)
    assert checking.checks.due() is None


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_of_another_kind_does_not_pass(checking: Checking, server: Server, status: int) -> None:
    server.status = status
    checking.begin(endpoint("0-1", server))
    checking.until(lambda: server.checks > 3, "it is asked again and again")
    assert not checking.passed


def test_passes_count_only_in_a_row(checking: Checking, server: Server) -> None:
    server.status = 500
    checking.begin(endpoint("0-1", server), replace(CONFIG, health=replace(CONFIG.health, successes=3)))
    checking.until(lambda: server.checks > 1, "it is asked")
    server.status = 200
    failed = server.checks
    checking.until(lambda: checking.passed, "it passes")
    assert server.checks >= failed + 3


def test_a_connection_is_enough_where_no_path_is_given(checking: Checking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = Endpoint("0-1", "127.0.0.1", listener.getsockname()[1])
        checking.begin(place, replace(CONFIG, protocol=Protocol.TCP))
        checking.until(lambda: checking.passed, "it passes")


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(checking: Checking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        checking.begin(Endpoint("0-1", "127.0.0.1", listener.getsockname()[1]))
        taken: list[socket.socket] = []

        def taken_twice() -> bool:
            try:
                taken.append(listener.accept()[0])
            except TimeoutError:
                return False
            return len(taken) == 2

        checking.until(taken_twice, "it is asked again on another connection")
        for connection in taken:
            connection.close()
    assert not checking.passed


def test_nothing_is_heard_of_a_check_that_was_ended(checking: Checking, server: Server) -> None:
    checking.begin(endpoint("0-1", server))
    checking.turn()
    checking.checks.end(APP, "0-1")
    checking.begin(endpoint("1-1", server))
    checking.until(lambda: checking.passed, "the other one passes")
    assert checking.passed == ["1-1"]


def test_no_more_than_so_many_connections_are_open_and_all_get_their_turn(
    checking: Checking, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firstchecks, "MOST_AT_ONCE", 3)
    for number in range(20):
        checking.begin(endpoint(f"{number}-1", server))
    checking.turn()
    assert len(checking.selector.get_map()) == 3
    checking.until(lambda: len(checking.passed) == 20, "all pass")
