"""The HAProxy process: adopted or started, reloaded, watched.

It runs as master and worker in a session of its own, so that it outlives the agent, whatever ends that. When its worker
dies the master ends, and when the master dies its workers do; one file descriptor tells of both.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from scheduler.edge.accesslog import Pipe
from scheduler.edge.folder import Folder
from scheduler.edge.sockets import HaproxyGone, HaproxyRefused, Master, Processes, Runtime

PROGRAM = "haproxy"
# Debian builds it so that each piece of memory has a mark that finds errors of HAProxy's own; that costs a request 2 %
UNMARKED = "-dMno-tag"
USER = "haproxy"
READY_WITHIN = 30.0  # seconds, for a start or a reload of thousands of apps
END_WITHIN = 5.0  # seconds
LONGEST_LOG = 1 << 20  # bytes

log = structlog.get_logger(__name__)


class Haproxy:
    def __init__(self, folder: Folder) -> None:
        self.master, self.runtime = Master(folder.master), Runtime(folder.runtime)
        self.pidfd: int | None = None  # of the master; readable when it has ended
        self.processes: Processes | None = None
        self.retired: dict[int, float] = {}  # workers that finish what they had begun, and since when (monotonic)
        self._folder = folder
        self._notify: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        if self.pidfd is None:
            return False
        if not select.select([self.pidfd], [], [], 0)[0]:
            return True
        self._forget()
        return False

    def adopt(self) -> bool:
        """Take over a running one; False when there is none."""
        try:
            self._watch(self.master.processes())
        except (HaproxyGone, ProcessLookupError):
            return False
        return self.alive

    def start(self) -> None:
        """Start one on the files in the folder. Raises `HaproxyRefused`, `HaproxyGone`."""
        folder = self._folder
        self._listen()
        folder.log.write_bytes(b"")
        with folder.log.open("ab") as said, contextlib.closing(Pipe(folder.traffic)) as traffic:
            self._child = subprocess.Popen(
                [PROGRAM, "-Ws", *_memory(), "-f", str(folder.conf), "-S", f"{folder.master},mode,600"],
                stdin=traffic.end,
                stdout=said,
                stderr=said,
                env={**os.environ, "NOTIFY_SOCKET": str(folder.notify)},
                start_new_session=True,
            )
        self.pidfd = os.pidfd_open(self._child.pid)
        try:
            self._await_ready()
            self._watch(self.master.processes())
        except HaproxyGone as error:
            self.stop()
            raise HaproxyRefused(f"{error}: {alerts(folder.log.read_text(errors='replace'))}") from error

    def reload(self) -> None:
        """Have a new worker read the files and take over; the old one finishes what it has begun.

        Returns when the new one answers and the old one takes no connection any more. Raises `HaproxyRefused` when
        the old one went on, `HaproxyGone`.
        """
        self.trim_log()
        before = self._folder.log.stat().st_size if self._folder.log.exists() else 0
        self._listen()
        with contextlib.suppress(HaproxyGone):  # the master hangs up while it starts itself anew
            self.master.reload()
        self._await_ready()
        processes = self.master.processes()
        self._watch(processes)
        if processes.failed or processes.worker is None:
            with self._folder.log.open("rb") as said:
                said.seek(before)
                raise HaproxyRefused(alerts(said.read().decode(errors="replace")))
        self._await_worker(processes)

    def look(self) -> None:
        """See which processes there are now. Raises `HaproxyGone`."""
        self._watch(self.master.processes())

    def stop(self) -> None:
        """End it, with the requests under way."""
        if self.pidfd is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd, number)
                if select.select([self.pidfd], [], [], END_WITHIN)[0]:
                    break
            self._forget()

    def _watch(self, processes: Processes) -> None:
        if self.pidfd is None:
            self.pidfd = os.pidfd_open(processes.master)
        self.processes = processes
        now = time.monotonic()
        self.retired = {worker: self.retired.get(worker, now) for worker in processes.old}

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self.pidfd is not None:
            os.close(self.pidfd)
        self.pidfd, self.processes, self.retired = None, None, {}

    def _listen(self) -> None:
        """Hear what the master says from now on; what it said before is dropped."""
        if self._notify is not None:
            self._notify.close()
        self._folder.notify.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self._folder.notify))

    def _await_ready(self) -> None:
        assert self._notify is not None  # noqa: S101 - `_listen` was called
        assert self.pidfd is not None  # noqa: S101 - it was started or adopted
        ends: list[socket.socket | int] = [self._notify, self.pidfd]
        give_up = time.monotonic() + READY_WITHIN
        while (left := give_up - time.monotonic()) > 0:
            readable = select.select(ends, [], [], left)[0]
            if self._notify in readable and b"READY=1" in self._notify.recv(4096).split(b"\n"):
                return
            if self.pidfd in readable:
                raise HaproxyGone("it ended")
        raise HaproxyGone(f"not ready within {READY_WITHIN:.0f} s")

    def _await_worker(self, processes: Processes) -> None:
        """Until the new worker itself answers, and alone: for a moment the one before may still take a connection."""
        give_up = time.monotonic() + END_WITHIN
        while self.runtime.pid() != processes.worker or any(map(self.master.takes_requests, processes.old)):
            if time.monotonic() > give_up:
                raise HaproxyGone("its new worker does not take over")
            time.sleep(0.002)

    def trim_log(self) -> None:
        """HAProxy says on standard error what it also logs; nobody else keeps that from growing."""
        if self._folder.log.exists() and self._folder.log.stat().st_size > LONGEST_LOG:
            os.truncate(self._folder.log, 0)


def check(files: Iterable[Path]) -> None:
    """Have HAProxy read these files without using them. Raises `HaproxyRefused`."""
    argv = [PROGRAM, "-c", *(word for path in files for word in ("-f", str(path)))]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=READY_WITHIN, check=False)
    except subprocess.TimeoutExpired as error:
        raise HaproxyRefused(f"not read within {READY_WITHIN:.0f} s") from error
    if done.returncode != 0:
        raise HaproxyRefused(alerts(done.stderr))


def _memory() -> list[str]:
    """How it is to keep its memory. HAProxy before 2.6 knows nothing of marks, and takes the option for another."""
    said = subprocess.run([PROGRAM, "-dMhelp"], capture_output=True, text=True, errors="replace", check=False).stdout
    return [UNMARKED] if "no-tag" in said else []


def alerts(said: str) -> str:
    """The errors among what HAProxy said when it started."""
    found = [line.partition(" : ")[2] for line in said.splitlines() if line.startswith("[ALERT]")]
    return "; ".join(found)[:2000] or said[-500:].strip() or "it did not say why"


def user() -> str:
    """Whom HAProxy is to become: its own user where we may and there is one, else empty."""
    if os.geteuid() != 0:
        return ""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        return USER
    return ""
