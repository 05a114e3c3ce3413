"""The log files of the supervised processes, kept bounded.

A process writes into its file itself, so its last words are there even when the supervisor died with it. The file is
opened for appending, so it can be copied and cut while it is written to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LARGEST = 8 << 20  # bytes of a log file; one older file of this size is kept beside it
TAIL = 4096  # bytes


def rotate(log: Path) -> None:
    """Put a file that has grown aside, before its process starts."""
    if log.exists() and log.stat().st_size > LARGEST // 2:
        log.replace(older(log))


def bound(log: Path) -> None:
    """Cut a file that has grown too large while its process writes to it."""
    if log.exists() and log.stat().st_size > LARGEST:
        shutil.copyfile(log, older(log))
        os.truncate(log, 0)


def older(log: Path) -> Path:
    return log.with_suffix(".log.1")


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for a message about its process."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
