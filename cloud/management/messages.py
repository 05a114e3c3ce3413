"""How a command that the supervisor runs says how far it is: one JSON object a line on standard output."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator


def send(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def step(name: str) -> Iterator[list[str]]:
    """A step, with its time. What the caller adds to the list is shown behind it."""
    send(began=name)
    began, details = time.monotonic(), list[str]()
    yield details
    send(done=name, seconds=time.monotonic() - began, detail=", ".join(details))
