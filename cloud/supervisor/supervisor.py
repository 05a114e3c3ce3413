"""The loop over all supervised processes.

It sleeps in `poll` until a process ends, a process says that it is ready, a signal comes, or something is due.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from cloud.supervisor import kernel, logfiles, record
from cloud.supervisor.child import Child
from cloud.supervisor.identity import Identity
from cloud.supervisor.supervised import State, Supervised, Tell

TRIES = 2  # starts that a process gets before `up` gives up
LOGS_EVERY = 30.0  # seconds between looks at the size of the log files


class Stopped(Exception):
    """Someone asked for the end: Ctrl-C, SIGTERM, a closed terminal."""


class NotReady(Exception):
    """A process that others need did not become ready. The message holds what its log says."""


class Supervisor:
    """Starts, watches and stops processes. `tell` takes what people should know of one."""

    def __init__(self, run: Path, logs: Path, tell: Tell) -> None:
        self.run, self.logs, self.tell = run, logs, tell
        self.all: list[Supervised] = []
        self.since = time.time()
        self.awaited: set[int] = set()  # children of ours besides those, which whoever started them waits for
        self.stop_asked = 0
        kernel.adopt_orphans()  # the nursery's, which are forked twice
        self._logs_due = 0.0
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def start(self, supervised: Sequence[Supervised]) -> None:
        """Start all of them at once; `wait_ready` tells when they are."""
        for one in supervised:
            logfiles.rotate(one.log)
            self.all.append(one)
            one.start(time.monotonic())
        self.write_record()

    def wait_ready(self, supervised: Sequence[Supervised], tick: Callable[[], None]) -> None:
        """Run until all of them are ready. Raises `NotReady` when one keeps ending instead, or `Stopped`."""
        while not all(one.state is State.READY for one in supervised):
            for one in supervised:
                if one.state is State.WAITING and one.restarts >= TRIES - 1:
                    raise NotReady(f"{one.name} {one.last_exit}; its log ends with\n{logfiles.tail(one.log)}")
            self.turn(0.1)
            tick()
            self.check_stop()

    def check_stop(self) -> None:
        if self.stop_asked:
            raise Stopped

    def turn(self, longest: float = 3600, also: int | None = None) -> None:
        """One turn of the loop: wait for something, at most `longest` seconds, and do what is due.

        `also` is a further descriptor whose readability ends the wait.
        """
        now = time.monotonic()
        looks = [look for one in self.all if (look := one.next_look(now)) is not None]
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if also is not None:
            poll.register(also, select.POLLIN)
        for one in self.all:
            for descriptor in one.descriptors:
                poll.register(descriptor, select.POLLIN)
        poll.poll(min([longest, LOGS_EVERY, *looks]) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 512)

        now = time.monotonic()
        before = [(one.state, one.since) for one in self.all]
        for one in self.all:
            one.tick(now)
        self._reap_strangers()
        if [(one.state, one.since) for one in self.all] != before:
            self.write_record()
        if now >= self._logs_due:
            self._logs_due = now + LOGS_EVERY
            for one in self.all:
                logfiles.bound(one.log)

    def stop(self, children: Sequence[Child], tick: Callable[[], None]) -> None:
        """Stop these together and wait for it. A second request to stop meanwhile kills them."""
        asked = self.stop_asked
        for child in children:
            child.stop(time.monotonic())
        self.write_record()
        while any(child.state is not State.STOPPED for child in children):
            self.turn(0.1)
            tick()
            if self.stop_asked > max(asked, 1):
                for child in children:
                    child.hurry()
        self.write_record()

    def _reap_strangers(self) -> None:
        """Whoever was orphaned below us became our child, and has to be waited for when it ends."""
        known = self.awaited | {one.identity.pid for one in self.all if one.identity}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in known:
                    return  # it is waited for elsewhere, and this looks again
                os.waitpid(ended.si_pid, 0)

    def write_record(self) -> None:
        own = Identity.of(os.getpid())
        assert own is not None  # noqa: S101 - we run
        entry = {"pid": own.pid, "started": own.started}
        processes = [one.record() for one in self.all]
        record.write(self.run, {"supervisor": entry, "since": self.since, "processes": processes})

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_asked += 1
