"""The clients of `client.py` in a few processes, and all that they have told."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.traffic.client import STEPS
from cloud.supervisor.specs import ROOT

KINDS = ("fresh", "kept", "slow", "sockets", "lasting")
LATE = 90.0  # seconds: no client waits longer for an answer


@dataclass(frozen=True)
class Failure:
    at: float  # seconds since the epoch
    kind: str  # of client
    what: str
    instance: str  # whose answer it was, or whose websocket; empty: no instance's


@dataclass
class Load:
    answered: Counter[str] = field(default_factory=Counter)  # by kind; `reopened` is no request
    latency: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        """All that were answered or failed, a websocket's handshake among them."""
        with self.lock:
            return sum(self.answered[kind] for kind in KINDS) + len(self.failures)

    def counts(self) -> Counter[str]:
        with self.lock:
            return Counter(self.answered)

    def failed(self, since: float = 0.0) -> list[Failure]:
        """Those of `since` (seconds since the epoch) or later."""
        with self.lock:
            return [failure for failure in self.failures if failure.at >= since]

    def milliseconds(self, share: float) -> float:
        """How long a request took at most, for this share of the quickest of `fresh` and `kept`; to some 6 %."""
        with self.lock:
            steps = sorted((int(step), count) for step, count in self.latency.items())
        left = share * sum(count for _, count in steps)
        for step, count in steps:
            left -= count
            if left <= 0:
                return round(10 ** (step / STEPS), 2)
        return 0.0

    def take(self, line: str) -> None:
        said = json.loads(line)
        with self.lock:
            self.answered.update(said["answered"])
            self.latency.update(said["latency"])
            self.failures += [Failure(**failure) for failure in said["failures"]]


@contextlib.contextmanager
def load(port: int, host: str, processes: list[Mapping[str, int]]) -> Iterator[Load]:
    """Clients at work, of each process so many of each kind. At the end requests under way are waited for."""
    seen = Load()
    argv = [sys.executable, "-m", "benchmarks.traffic.client", str(port), host]
    children = [
        subprocess.Popen([*argv, json.dumps(clients)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for clients in processes
    ]
    readers = [threading.Thread(target=_read, args=(child, seen)) for child in children]
    try:
        for reader in readers:
            reader.start()
        yield seen
        dead = [child.returncode for child in children if child.poll() is not None]
        assert not dead, f"clients ended: {dead}"
    finally:
        for child in children:
            child.terminate()
        give_up = time.monotonic() + LATE
        for child in children:
            try:
                child.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
        for reader in readers:
            reader.join()


def _read(child: subprocess.Popen[str], seen: Load) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        seen.take(line)
