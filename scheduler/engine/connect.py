"""The engines of this process by their URL, each connected once."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from scheduler.engine.base import Engine
from scheduler.engine.docker import DockerEngine

FAKE = "fake://"


class Engines:
    """`unix:///…` and `tcp://…` are real engines, `fake://NAME` is the one of that name among `fakes`.

    A client is kept for as long as the process lives, and not handed down to a forked one: two processes on one
    connection would read each other's answers.
    """

    def __init__(self, fakes: Mapping[str, Engine] | None = None) -> None:
        self._fakes = fakes or {}
        self._lock = threading.Lock()
        self._connected: dict[tuple[int, str, str], Engine] = {}

    def connect(self, url: str, installation: str) -> Engine:
        """The engine at `url`, whether it answers or not. Raises `ValueError` when that is no URL of an engine."""
        if url.startswith(FAKE):
            name = url.removeprefix(FAKE)
            if name not in self._fakes:
                raise ValueError(f"there is no fake engine {name}")
            return self._fakes[name]
        key = (os.getpid(), url, installation)
        with self._lock:
            if key not in self._connected:
                self._connected[key] = DockerEngine(url, installation)
            return self._connected[key]


connect = Engines().connect
