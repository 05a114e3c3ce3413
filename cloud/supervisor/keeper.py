"""Watches over our own Docker Engine: it is started again when it dies, and left running when Berth goes down."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cloud.supervisor import engine
from cloud.supervisor.supervised import State, Supervised, Tell

LOOK_EVERY = 0.1  # seconds between looks while it starts
PATIENCE = 120.0  # seconds that a dockerd with many containers may take


class EngineKeeper(Supervised):
    """Our dockerd in the supervisor's loop. It may have been started by an earlier supervisor."""

    def __init__(self, own: engine.OwnEngine, logs: Path, tell: Tell) -> None:
        super().__init__("dockerd", logs, tell, own.url)
        self.own = own
        self._pidfd = -1

    @property
    def descriptors(self) -> list[int]:
        return [self._pidfd] if self._pidfd >= 0 else []

    def start(self, now: float) -> None:
        self.began, self.due = now, now + PATIENCE
        try:
            self.identity = self.own.start(self.log.parent)
            self._pidfd = os.pidfd_open(self.identity.pid)
        except (engine.EngineMissing, ProcessLookupError) as error:
            self.back_off(str(error), now)
            return
        self.enter(State.STARTING)

    def tick(self, now: float) -> None:
        if self.state is State.WAITING:
            if now >= self.due:
                self.restarts += 1
                self.start(now)
        elif self.identity is not None and not self.identity.alive:
            self._ended(now)
        elif self.state is State.STARTING and engine.alive(self.own.url):
            self.enter(State.READY)
        elif self.state is State.STARTING and now >= self.due:
            self.tell(self.name, f"does not answer after {PATIENCE:.0f} s, see {self.log}")
            self.due = now + PATIENCE

    def next_look(self, now: float) -> float | None:
        if self.state is State.STARTING:
            return LOOK_EVERY
        return max(0.0, self.due - now) if self.state is State.WAITING else None

    def _ended(self, now: float) -> None:
        assert self.identity is not None  # noqa: S101
        with contextlib.suppress(ChildProcessError):  # it was an earlier supervisor's
            os.waitpid(self.identity.pid, os.WNOHANG)
        os.close(self._pidfd)
        self._pidfd, self.identity = -1, None
        self.back_off("ended", now)
