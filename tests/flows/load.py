"""Requests through the edge without a pause, and what became of each."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Load:
    """`outcomes` counts statuses, and by its name whatever was no answer at all."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answered(self) -> int:
        with self.lock:
            return self.outcomes["200"]

    @property
    def failed(self) -> dict[str, int]:
        with self.lock:
            return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def note(self, outcome: str) -> None:
        with self.lock:
            self.outcomes[outcome] += 1


@contextlib.contextmanager
def load(port: int, host: str, path: str = "/ok.txt", clients: int = 4) -> Iterator[Load]:
    """Clients that ask on and on, half of them on one connection each, half on a fresh one for every request."""
    seen, stop = Load(), threading.Event()
    threads = [
        threading.Thread(target=_client, args=(port, host, path, number % 2 == 0, seen, stop))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _client(port: int, host: str, path: str, keep: bool, seen: Load, stop: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not stop.wait(0.005):  # enough for hundreds a second, and it leaves the machine something
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            seen.note(str(answer.status))
        except http.client.RemoteDisconnected:
            # a kept connection may be closed while it idles, which a client has to take: it asks again
            if connection.sock is None and keep:
                continue
            seen.note("disconnected")
        except (OSError, http.client.HTTPException) as error:
            seen.note(type(error).__name__)
            connection.close()
        if not keep:
            connection.close()
    connection.close()
