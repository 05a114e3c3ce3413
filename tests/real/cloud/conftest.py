"""A supervisor inside the test's own process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.supervisor import supervised
from cloud.supervisor.child import Child
from cloud.supervisor.supervisor import Supervisor

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervised, "BACKOFF", (0.05, 0.1))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = Supervisor(tmp_path, tmp_path, lambda name, what: told.append((name, what)))
    yield made
    children = [one for one in made.all if isinstance(one, Child)]
    for child in children:
        child.hurry()
    made.stop(children, lambda: None)
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def turn_until(supervisor: Supervisor, true: Callable[[], object]) -> None:
    give_up = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up
        supervisor.turn(0.05)
