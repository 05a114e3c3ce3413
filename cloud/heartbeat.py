"""A process shows that its loop turns: it touches the file that it was told of at its start.

That a process is there says little: it may be stopped, or wait for something for ever.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

VARIABLE = "BERTH_HEARTBEAT"
EVERY = 1.0  # seconds between touches at least; loops turn every few seconds
_next = 0.0


def beat(*_: object, **__: object) -> None:
    """Say that the loop has turned. Takes any arguments, so that it can be connected to a signal.

    Cheap when called often, and without a supervisor nothing at all.
    """
    global _next
    path, now = os.environ.get(VARIABLE), time.monotonic()
    if path and now >= _next:
        _next = now + EVERY
        Path(path).touch()
