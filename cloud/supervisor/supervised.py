"""What every supervised process has: a state, a back-off, and an entry in the record."""

from __future__ import annotations

import abc
import enum
import time
from collections.abc import Callable
from pathlib import Path

from cloud.supervisor.identity import Identity

# seconds, by failures in a row. For an edge the loop waits 30 s before it stops what that may still send requests to
BACKOFF = (0.5, 1, 2, 5, 10, 15)
SETTLED = 20.0  # seconds after which a run counts as good, and its end as the first failure

Tell = Callable[[str, str], None]  # takes the name, and one line on what happened that people should know


class State(enum.StrEnum):
    WAITING = "waiting"  # it ended; started again when the back-off is over
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Supervised(abc.ABC):
    """One process in the supervisor's loop."""

    def __init__(self, name: str, logs: Path, tell: Tell, address: str) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self.tell = tell
        self.address = address
        self.state = State.STOPPED
        self.since = time.time()
        self.identity: Identity | None = None
        self.restarts = 0
        self.last_exit = ""
        self.began = 0.0  # monotonic
        self.due = 0.0  # monotonic: when to start again, to give up waiting, or to kill
        self._failures = 0

    @property
    @abc.abstractmethod
    def descriptors(self) -> list[int]:
        """What becomes readable when there is something to do."""

    @abc.abstractmethod
    def start(self, now: float) -> None: ...

    @abc.abstractmethod
    def tick(self, now: float) -> None:
        """Do what is due: notice that it ended or is ready, start it again, give up."""

    @abc.abstractmethod
    def next_look(self, now: float) -> float | None:
        """Seconds until `tick` has something to do that no descriptor announces; None: never."""

    def back_off(self, what: str, now: float) -> None:
        """It ended by itself: say so, and start it again, the later the more often that happened in a row."""
        self._failures = 0 if now - self.began > SETTLED else self._failures
        delay = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        self.due = now + delay
        self.last_exit = what
        self.enter(State.WAITING)
        self.tell(self.name, f"{what}; starting it again in {delay:g} s")

    def enter(self, state: State) -> None:
        if state is State.READY and self.restarts:
            self.tell(self.name, "is back")
        self.state, self.since = state, time.time()

    def record(self) -> dict[str, object]:
        """What `status` shows of it."""
        return {
            "name": self.name,
            "state": self.state.value,
            "since": self.since,
            "pid": self.identity.pid if self.identity else None,
            "started": self.identity.started if self.identity else None,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "address": self.address,
            "log": str(self.log),
        }
