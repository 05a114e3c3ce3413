"""Processes that are there and do nothing: seen from outside, and started again."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from cloud import heartbeat
from cloud.supervisor import child as supervised_child
from cloud.supervisor import liveness
from cloud.supervisor.child import Child
from cloud.supervisor.identity import Identity
from cloud.supervisor.probes import listens, pings, speaks
from cloud.supervisor.specs import Spec
from cloud.supervisor.supervised import State
from cloud.supervisor.supervisor import Supervisor
from tests import services
from tests.real.cloud.conftest import turn_until

SAYS_READY = "from cloud import ready; ready.tell(); import time; time.sleep(1000)"
BEATS = (
    "from cloud import heartbeat, ready; import time; ready.tell()\nwhile True:\n    heartbeat.beat(); time.sleep(0.05)"
)
ME = Identity.of(os.getpid())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised_child, "ALIVE_EVERY", 0.02)
    monkeypatch.setattr(supervised_child, "HUNG", 0.1)


def ready(supervisor: Supervisor, code: str = SAYS_READY, **more: object) -> Child:
    child = Child(Spec("one", (sys.executable, "-c", code), **more), supervisor.logs, supervisor.tell)  # type: ignore[arg-type]
    supervisor.start([child])
    supervisor.wait_ready([child], lambda: None)
    return child


def trouble(child: Child) -> str:
    assert child.identity is not None
    return liveness.trouble(child.spec, child.identity, child.since)


def test_a_process_that_a_signal_stopped_is_said_to_be_and_started_again(
    supervisor: Supervisor, told: list[tuple[str, str]]
) -> None:
    child = ready(supervisor)
    assert trouble(child) == ""
    assert child.identity is not None
    first = child.identity
    first.signal(signal.SIGSTOP)
    services.wait_until(lambda: trouble(child), "it is stopped")
    assert f"kill -CONT {first.pid}" in trouble(child)
    turn_until(supervisor, lambda: child.restarts == 1 and child.state is State.READY)
    assert child.identity != first
    assert [what.partition(";")[0] for _, what in told] == [
        "it was stopped by a signal (SIGSTOP)",
        "still does nothing after 0 s: ended",
        "ended by SIGKILL",
        "is back",
    ]


def test_a_process_that_goes_on_in_time_is_left_alone(supervisor: Supervisor, told: list[tuple[str, str]]) -> None:
    answers = [True]
    child = ready(supervisor, alive=lambda: answers[0])
    answers[0] = False
    turn_until(supervisor, lambda: told)
    answers[0] = True
    looks = iter(range(1000))
    turn_until(supervisor, lambda: next(looks) > 20)
    assert (child.restarts, len(told)) == (0, 1)


def test_a_process_that_does_not_answer_is_started_again(supervisor: Supervisor) -> None:
    child = ready(supervisor, alive=lambda: child.restarts > 0, address="here")
    assert trouble(child) == "it runs and does not answer at here"
    turn_until(supervisor, lambda: child.restarts == 1)


def test_a_loop_that_does_not_turn_is_seen_by_its_heartbeat(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = ready(supervisor, BEATS, heartbeat=tmp_path / "one.alive")
    services.wait_until((tmp_path / "one.alive").exists, "it beats")
    assert trouble(child) == ""
    monkeypatch.setattr(liveness, "SILENT", -1.0)
    assert "its loop has not turned for" in trouble(child)
    turn_until(supervisor, lambda: child.restarts >= 1)


def test_one_that_waits_for_something_else_is_not_started_again_for_it(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = ready(supervisor, heartbeat=tmp_path / "one.alive", helpless=True)
    monkeypatch.setattr(liveness, "SILENT", -1.0)
    assert trouble(child)
    looks = iter(range(1000))
    turn_until(supervisor, lambda: next(looks) > 20)
    assert child.restarts == 0


def test_a_heartbeat_touches_its_file_and_without_one_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_next", 0.0)
    heartbeat.beat()
    monkeypatch.setenv(heartbeat.VARIABLE, str(tmp_path / "alive"))
    before = time.time()
    heartbeat.beat("any", arguments=1)
    assert (tmp_path / "alive").stat().st_mtime >= before - 1


def test_a_port_that_is_listened_on_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = silent.getsockname()
        assert listens(address)
        assert not speaks(address)
        assert not pings(address)


def test_what_runs_answers(tmp_path: Path) -> None:
    with services.redis(tmp_path) as at:
        assert pings(at)
    with services.etcd(tmp_path) as address:
        assert speaks(address)
