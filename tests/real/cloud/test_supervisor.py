"""The supervisor on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.supervisor import record, supervised
from cloud.supervisor.child import Child
from cloud.supervisor.identity import Identity
from cloud.supervisor.specs import ROOT, Spec
from cloud.supervisor.supervised import State
from cloud.supervisor.supervisor import NotReady, Stopped, Supervisor
from tests.real.cloud.conftest import turn_until
from tests.services import wait_until

SAYS_READY = "from cloud import ready; ready.tell(); import time; time.sleep(1000)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SAYS_READY


def python(name: str, code: str, **more: object) -> Spec:
    return Spec(name, (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def started(supervisor: Supervisor, *specs: Spec) -> list[Child]:
    children = [Child(spec, supervisor.logs, supervisor.tell) for spec in specs]
    supervisor.start(children)
    return children


def test_a_process_is_ready_when_it_says_so(supervisor: Supervisor) -> None:
    (child,) = started(supervisor, python("quick", SAYS_READY))
    assert child.state is State.STARTING
    supervisor.wait_ready([child], lambda: None)
    assert child.state is State.READY


def test_a_process_is_ready_when_it_looks_so_from_outside(supervisor: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import pathlib, time; pathlib.Path({str(flag)!r}).touch(); time.sleep(1000)"
    (child,) = started(supervisor, python("looks", code, ready=flag.exists))
    supervisor.wait_ready([child], lambda: None)
    assert flag.exists()


def test_a_crashed_process_is_started_again_and_that_is_said(
    supervisor: Supervisor, told: list[tuple[str, str]]
) -> None:
    (child,) = started(supervisor, python("crashes", SAYS_READY))
    supervisor.wait_ready([child], lambda: None)
    first = child.identity
    assert first is not None
    first.kill()
    turn_until(supervisor, lambda: child.restarts == 1 and child.state is State.READY)
    assert child.identity != first
    assert told == [("crashes", "ended by SIGKILL; starting it again in 0.05 s"), ("crashes", "is back")]


def test_the_back_off_grows_with_every_crash_in_a_row(supervisor: Supervisor, told: list[tuple[str, str]]) -> None:
    (child,) = started(supervisor, python("hopeless", "raise SystemExit(3)"))
    turn_until(supervisor, lambda: child.restarts == 2 and child.state is State.WAITING)
    assert [what for _, what in told] == [
        f"exited with code 3; starting it again in {delay} s" for delay in ("0.05", "0.1", "0.1")
    ]


def test_crashes_before_a_good_run_are_forgotten(
    supervisor: Supervisor, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "SETTLED", 0.0)
    (child,) = started(supervisor, python("seldom", "raise SystemExit(3)"))
    turn_until(supervisor, lambda: child.restarts == 2 and child.state is State.WAITING)
    assert [what for _, what in told] == ["exited with code 3; starting it again in 0.05 s"] * 3


def test_waiting_for_a_process_that_keeps_ending_fails_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    children = started(supervisor, python("hopeless", "print('the disk is full'); raise SystemExit(3)"))
    with pytest.raises(NotReady, match=r"(?s)hopeless exited with code 3.*the disk is full"):
        supervisor.wait_ready(children, lambda: None)


def test_a_command_that_does_not_exist_counts_as_one_that_ended(supervisor: Supervisor) -> None:
    children = started(supervisor, Spec("absent", ("/nonexistent/program",)))
    with pytest.raises(NotReady, match="No such file"):
        supervisor.wait_ready(children, lambda: None)


def test_one_that_does_not_become_ready_in_time_is_started_anew(supervisor: Supervisor) -> None:
    (child,) = started(supervisor, python("slow", "import time; time.sleep(1000)", patience=0.3))
    turn_until(supervisor, lambda: child.restarts == 1)
    assert child.last_exit == "ended by SIGKILL"


def test_one_that_does_not_end_when_asked_is_killed(supervisor: Supervisor, told: list[tuple[str, str]]) -> None:
    (child,) = started(supervisor, python("deaf", DEAF, grace=0.2))
    supervisor.wait_ready([child], lambda: None)
    identity = child.identity
    assert identity is not None
    supervisor.stop([child], lambda: None)
    assert not identity.alive
    assert child.state is State.STOPPED
    assert told == [("deaf", "has not ended within 0 s: killed")]


def test_a_stopped_process_is_not_started_again(supervisor: Supervisor) -> None:
    (child,) = started(supervisor, python("obedient", SAYS_READY))
    supervisor.wait_ready([child], lambda: None)
    supervisor.stop([child], lambda: None)
    supervisor.turn(0.2)
    assert (child.state, child.restarts, child.identity) == (State.STOPPED, 0, None)


def test_a_signal_to_the_supervisor_is_a_request_to_stop(supervisor: Supervisor) -> None:
    children = started(supervisor, python("slow", "import time; time.sleep(1000)"))
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped):
        supervisor.wait_ready(children, lambda: None)


def test_the_record_says_what_runs(supervisor: Supervisor) -> None:
    (child,) = started(supervisor, python("quick", SAYS_READY))
    supervisor.wait_ready([child], lambda: None)
    found = record.read(supervisor.run)
    assert record.supervisor(found) == Identity.of(os.getpid())
    assert record.orphans(found) == [("quick", child.identity)]


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from cloud.supervisor.child import Child
from cloud.supervisor.specs import Spec
from cloud.supervisor.supervisor import Supervisor
here = Path({str(tmp_path)!r})
supervisor = Supervisor(here, here, print)
children = [Child(Spec("child", (sys.executable, "-c", {SAYS_READY!r})), here, print)]
supervisor.start(children)
supervisor.wait_ready(children, lambda: None)
while True:
    supervisor.turn()
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        wait_until(
            lambda: [e["state"] for e in record.read(tmp_path).get("processes", [])] == ["ready"], "the child is ready"
        )
        ((_, child),) = record.orphans(record.read(tmp_path))
    finally:
        process.kill()
        process.wait()
    assert child.wait(10)
    assert record.supervisor(record.read(tmp_path)) is None


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    own = Identity.of(os.getpid())
    assert own is not None
    assert own.alive
    assert not Identity(own.pid, own.started - 1, own.boot).alive
    assert not Identity(own.pid, own.started, "another boot").alive


def test_a_process_that_has_ended_and_is_not_reaped_is_not_alive() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    identity = Identity.of(process.pid)
    assert identity is not None
    process.kill()
    assert identity.wait(10)
    assert not identity.alive
    process.wait()
