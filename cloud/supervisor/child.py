"""One supervised process: started, ready, ended, started again.

    waiting -> starting -> ready -> stopping -> stopped
       ^----------+----------+  it ended by itself, or did not become ready: started again after a back-off

The supervisor's loop calls in when something happened; nothing here waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Protocol

from cloud.ready import VARIABLE
from cloud.supervisor import kernel, liveness
from cloud.supervisor.identity import Identity
from cloud.supervisor.specs import ROOT, Spec, environment
from cloud.supervisor.supervised import State, Supervised, Tell

LOOK_EVERY = 0.02  # seconds between looks from outside while it starts
ALIVE_EVERY = 10.0  # seconds between looks at whether it does anything, once it is ready
HUNG = 30.0  # seconds after which one that does nothing is ended, to be started again


class Running(Protocol):
    """A child of ours, started in whatever way."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""


# Starts a role with an environment and descriptors for its output, its errors and its ready pipe; None: cannot now.
Fork = Callable[[str, Mapping[str, str], list[int]], Running | None]


def in_words(code: int) -> str:
    """How a process ended."""
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


class Child(Supervised):
    """The process of one `Spec`. `descriptors` are what the supervisor's loop waits on."""

    def __init__(self, spec: Spec, logs: Path, tell: Tell, fork: Fork | None = None) -> None:
        super().__init__(spec.name, logs, tell, spec.address)
        self.spec = spec
        self.pass_fds: list[int] = []  # what it inherits besides
        self._fork = fork
        self._process: Running | None = None
        self._pidfd = -1
        self._ready_fd = -1
        self._look_due = 0.0  # monotonic: when to look whether it does anything
        self._silent_since: float | None = None  # monotonic

    @property
    def descriptors(self) -> list[int]:
        return [fd for fd in (self._pidfd, self._ready_fd) if fd >= 0]

    def start(self, now: float) -> None:
        """Start it; one that cannot even be started counts as one that ended."""
        self.began, self._silent_since = now, None
        if self.spec.heartbeat is not None:
            self.spec.heartbeat.unlink(missing_ok=True)
        read, write = os.pipe() if self.spec.ready is None else (-1, -1)
        try:
            with self.log.open("ab") as out:
                self._process = self._launch(out, write)
        except OSError as error:
            if read >= 0:
                os.close(read)
            self.back_off(str(error), now)
            return
        finally:
            if write >= 0:
                os.close(write)
        self.identity = Identity.of(self._process.pid)
        self._pidfd, self._ready_fd = os.pidfd_open(self._process.pid), read
        self.due = now + self.spec.patience
        self.enter(State.STARTING)

    def _launch(self, out: IO[bytes], write: int) -> Running:
        """From the nursery if it can, else from scratch."""
        env = environment(self.spec)
        pipe = [write] if write >= 0 else []
        if self._fork is not None:
            forked = self._fork(self.spec.name, env, [out.fileno(), out.fileno(), *pipe])
            if forked is not None:
                return forked
        parent = os.getpid()
        return subprocess.Popen(
            self.spec.argv,
            cwd=ROOT,
            env={**env, **({VARIABLE: str(write)} if pipe else {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=[*pipe, *self.pass_fds],
            start_new_session=True,  # Ctrl-C is for the supervisor, which then stops all in order
            preexec_fn=lambda: kernel.tie_to_parent(parent),
        )

    def tick(self, now: float) -> None:
        """Do what is due: reap, notice that it is ready, start again, give up."""
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            self._ended(code, now)
        elif self.state is State.STARTING and self._looks_ready():
            self._close_ready()
            self._look_due = now + ALIVE_EVERY
            self.enter(State.READY)
        elif self.state is State.READY and now >= self._look_due:
            self._look_due = now + ALIVE_EVERY
            self._end_if_hung(now)
        elif self.state is State.WAITING and now >= self.due:
            self.restarts += 1
            self.start(now)
        elif self.state is State.STARTING and now >= self.due:
            self.tell(self.name, f"is not ready after {self.spec.patience:.0f} s: ended")
            self.due = now + self.spec.patience
            self._kill()
        elif self.state is State.STOPPING and now >= self.due:
            self.tell(self.name, f"has not ended within {self.spec.grace:.0f} s: killed")
            self.due = now + self.spec.grace
            self._kill()

    def next_look(self, now: float) -> float | None:
        """Seconds until `tick` has something to do that no descriptor announces; None: never."""
        if self.state is State.STARTING and self.spec.ready is not None:
            return LOOK_EVERY
        if self.state is State.STOPPED:
            return None
        return max(0.0, (self._look_due if self.state is State.READY else self.due) - now)

    def stop(self, now: float) -> None:
        """Ask it to end, and do not start it again."""
        if self._process is None:
            self.enter(State.STOPPED)
        elif self.state is not State.STOPPING:
            self.due = now + self.spec.grace
            self._close_ready()
            self.enter(State.STOPPING)
            if self.identity is not None:
                self.identity.signal(signal.SIGTERM)

    def hurry(self) -> None:
        """End it at once."""
        self._kill()

    def _looks_ready(self) -> bool:
        if self.spec.ready is not None:
            return self.spec.ready()
        if self._ready_fd < 0:
            return False
        os.set_blocking(self._ready_fd, False)
        try:
            said = os.read(self._ready_fd, 1)
        except BlockingIOError:
            return False
        if not said:  # closed without a word: it is about to end, and its end is what counts
            self._close_ready()
        return bool(said)

    def _end_if_hung(self, now: float) -> None:
        """End it when it has done nothing for long, whatever the cause; that it ended has it started again."""
        assert self.identity is not None  # noqa: S101 - it is ready
        trouble = liveness.trouble(self.spec, self.identity, self.since)
        if not trouble or (self.spec.helpless and not self.identity.suspended):
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
            self.tell(self.name, trouble)
        elif now - self._silent_since >= HUNG:
            self.tell(self.name, f"still does nothing after {HUNG:.0f} s: ended")
            self._silent_since = now
            self._kill()

    def _ended(self, code: int, now: float) -> None:
        os.close(self._pidfd)
        self._pidfd, self._process, self.identity = -1, None, None
        self._close_ready()
        if self.state is State.STOPPING:
            self.enter(State.STOPPED)
        else:
            self.back_off(in_words(code), now)

    def _kill(self) -> None:
        if self._process is not None and self.identity is not None:
            self.identity.kill()

    def _close_ready(self) -> None:
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1
