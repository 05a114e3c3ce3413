"""Which process is meant: a pid says it only together with when that process started, and on which boot."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@cache
def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be confused with a later one of the same pid."""

    pid: int
    started: int  # clock ticks after boot, field 22 of /proc/PID/stat
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this pid now; None when there is none, or it has ended and is only not reaped yet."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, *rest = stat.rpartition(")")[2].split()  # the command's name may hold spaces and brackets
        return None if state in "ZX" else cls(pid, int(rest[18]), boot())

    @property
    def alive(self) -> bool:
        return self == Identity.of(self.pid)

    @property
    def suspended(self) -> bool:
        """Whether a signal has stopped it, so that it does nothing until another lets it go on."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def signal(self, number: int) -> None:
        """Send a signal; a process that is gone is left in peace."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, within `seconds`; it need not be our child."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return not self.alive or bool(select.select([descriptor], [], [], seconds)[0]) or not self.alive
        finally:
            os.close(descriptor)

    def end(self, grace: float = 10) -> None:
        """Ask it to end, and end it with its process group when it has not within `grace` seconds."""
        self.signal(signal.SIGTERM)
        if not self.wait(grace):
            self.kill()
            self.wait(grace)

    def kill(self) -> None:
        """End it at once, with its process group when it leads one."""
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)


def pss(pid: int) -> int:
    """Bytes of memory that are this process's share: its own, and its part of what it shares. 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0
