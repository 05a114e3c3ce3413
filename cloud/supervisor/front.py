"""The HAProxy of this home's edge. It belongs to the edge agent and serves on when Berth goes down."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from cloud.supervisor.identity import Identity


def haproxies(home: Path) -> list[Identity]:
    """The running HAProxy processes whose configuration is below `home`, masters first."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and _is_ours((process / "cmdline").read_bytes(), home):
                identity = Identity.of(int(process.name))
                found += [identity] if identity else []
    return sorted(found, key=lambda identity: identity.started)


def _is_ours(cmdline: bytes, home: Path) -> bool:
    words = cmdline.decode(errors="replace").split("\0")
    return Path(words[0]).name == "haproxy" and any(str(home / "edge") in word for word in words)


def restarts(home: Path, since: float) -> int:
    """How often its agent had to start it again since then (Unix time)."""
    with contextlib.suppress(OSError, ValueError):
        return sum(int(line) >= int(since) for line in (home / "edge" / "ends").read_text().splitlines())
    return 0


def end(home: Path) -> None:
    """End them, workers with their masters. Requests under way are cut off."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for identity in haproxies(home):
            identity.signal(number)
        for identity in haproxies(home):
            identity.wait(5)
