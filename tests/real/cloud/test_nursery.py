"""Processes forked from the nursery are the supervisor's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.supervisor import specs
from cloud.supervisor.child import Child
from cloud.supervisor.forks import Nursery
from cloud.supervisor.specs import MANAGE, Spec
from cloud.supervisor.supervised import State
from cloud.supervisor.supervisor import Supervisor
from tests.real.cloud.conftest import turn_until


@pytest.fixture
def nursery(supervisor: Supervisor) -> Iterator[Nursery]:
    made = Nursery(specs.nursery(), supervisor.logs, supervisor.tell)
    supervisor.start([made])
    supervisor.wait_ready([made], lambda: None)
    return made


# a command that is quickly done, so that its end can be waited for
CHECK = Spec("check", (*MANAGE, "check"), forked=True, ready=lambda: False)


def test_a_forked_process_is_watched_to_its_end(supervisor: Supervisor, nursery: Nursery, tmp_path: Path) -> None:
    child = Child(CHECK, tmp_path, supervisor.tell, nursery.fork)
    supervisor.start([child])
    assert child.identity is not None
    turn_until(supervisor, lambda: child.state is State.WAITING)
    assert child.last_exit == "exited with code 0"
    assert "no issues" in child.log.read_text()


def test_its_exit_code_is_its_own(supervisor: Supervisor, nursery: Nursery, tmp_path: Path) -> None:
    spec = dataclasses.replace(CHECK, name="nonsense")
    child = Child(spec, tmp_path, supervisor.tell, nursery.fork)
    supervisor.start([child])
    turn_until(supervisor, lambda: child.state is State.WAITING)
    assert child.last_exit == "exited with code 2"


def test_with_the_nursery_away_a_process_is_started_from_scratch(
    supervisor: Supervisor, nursery: Nursery, tmp_path: Path
) -> None:
    assert nursery.identity is not None
    nursery.identity.kill()
    nursery.identity.wait(10)
    child = Child(CHECK, tmp_path, supervisor.tell, nursery.fork)
    supervisor.start([child])
    turn_until(supervisor, lambda: child.state is State.WAITING)
    assert child.last_exit == "exited with code 0"


def test_a_nursery_that_was_killed_comes_back_and_forks_again(
    supervisor: Supervisor, nursery: Nursery, tmp_path: Path
) -> None:
    assert nursery.identity is not None
    nursery.identity.kill()
    turn_until(supervisor, lambda: nursery.restarts == 1 and nursery.state is State.READY)
    child = Child(CHECK, tmp_path, supervisor.tell, nursery.fork)
    supervisor.start([child])
    turn_until(supervisor, lambda: child.state is State.WAITING)
    assert child.last_exit == "exited with code 0"
