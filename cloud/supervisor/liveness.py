"""Whether a process that runs does anything."""

from __future__ import annotations

import contextlib
import time

from cloud.supervisor.identity import Identity
from cloud.supervisor.specs import Spec

SILENT = 60.0  # seconds without a turn of its loop after which a process is called silent


def trouble(spec: Spec, identity: Identity, since: float) -> str:
    """What is wrong with the process, ready since `since` (Unix time); empty: nothing. Takes a second at most."""
    if identity.suspended:
        return f"it was stopped by a signal (SIGSTOP); kill -CONT {identity.pid} lets it go on"
    if spec.alive is not None and not spec.alive():
        return f"it runs and does not answer at {spec.address}"
    if spec.heartbeat is not None and (quiet := _quiet(spec, since)) > SILENT:
        return f"it runs, and its loop has not turned for {quiet:.0f} s; ./berth logs {spec.name} may say why"
    return ""


def _quiet(spec: Spec, since: float) -> float:
    """Seconds since its loop turned, or since it became ready."""
    assert spec.heartbeat is not None  # noqa: S101
    with contextlib.suppress(OSError):
        since = max(since, spec.heartbeat.stat().st_mtime)
    return time.time() - since
