"""What an edge tells of its traffic: two threads, one that reads and adds up, and one that writes it to Redis.

Nothing waits for either. While Redis does not answer, the last `KEPT` batches are kept and written when it does.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import structlog

from scheduler.edge.accesslog import Pipe
from scheduler.edge.haproxy import Haproxy
from scheduler.edge.sockets import HaproxyError, connections
from scheduler.edge.tally import Places, Tally
from scheduler.traffic.batch import Batch
from scheduler.traffic.source import TrafficUnavailable
from scheduler.traffic.store import RedisTraffic

READ_EVERY = 0.25  # seconds: the pipe holds as much as some 90,000 requests a second write in that time
WRITE_EVERY, WRITE_LATEST = 2.0, 10.0  # seconds
LOOK_EVERY = 4.0  # seconds between looks at the sessions under way
SHARE = 0.05  # of a CPU that each may take, when there is a lot of it
KEPT = 30  # batches

log = structlog.get_logger(__name__)


class Meter:
    """Reads `pipe` from its making on, until it is closed."""

    def __init__(self, pipe: Pipe, haproxy: Haproxy, places: Places, redis: RedisTraffic, edge: str) -> None:
        run = secrets.token_hex(4)
        self._pipe, self._haproxy, self._redis, self._source = pipe, haproxy, redis, f"{edge}.{run}"
        self._tally = Tally(f"{edge}.{run}", places.release)
        self._lock = threading.Lock()  # of the tally
        self._batches: deque[Batch] = deque(maxlen=KEPT)
        self._look_due = 0.0
        self._fails = False
        self._threads = [
            self._start("traffic", self._read, READ_EVERY, READ_EVERY),
            self._start("traffic-writer", self._write, WRITE_EVERY, WRITE_LATEST),
        ]

    def close(self) -> None:
        """Write what there is and end; not for long when Redis is away. What comes then waits in the pipe."""
        for thread, stop in self._threads:  # the writer last: what the reader took is nowhere else any more
            stop.set()
            thread.join(3.0)

    def _start(
        self, name: str, work: Callable[[], None], every: float, most: float
    ) -> tuple[threading.Thread, threading.Event]:
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(work, every, most, stop), name=name, daemon=True)
        thread.start()
        return thread, stop

    def _run(self, work: Callable[[], None], every: float, most: float, stop: threading.Event) -> None:
        """Until told to stop, and once more then. `every` so many seconds, and `most` when there is a lot of work."""
        pause = every
        while True:
            last = stop.wait(pause)
            began = time.thread_time()
            try:
                work()
            except Exception:  # figures are not worth an edge
                log.exception("traffic_failed")
            if last:
                return
            pause = min(max(every, (time.thread_time() - began) / SHARE), most)

    def _read(self) -> None:
        lines = self._pipe.lines()
        if lines:
            with self._lock:
                self._tally.take(lines, time.time())

    def _write(self) -> None:
        if time.monotonic() >= self._look_due:
            self._look()
        with self._lock:
            batch = self._tally.batch(time.time())
        if batch is not None:
            self._batches.append(batch)
        try:
            while self._batches:
                if not self._redis.write(self._source, self._batches[0]):
                    raise TrafficUnavailable("it has no room for figures")
                self._batches.popleft()
            self._fails = False
        except TrafficUnavailable as error:
            if not self._fails:
                log.warning("traffic_not_written", error=str(error))
            self._fails = True

    def _look(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(HaproxyError):
            found = list(self._connections())
            with self._lock:
                self._tally.sessions(found, time.time())
        took = time.monotonic() - began
        self._look_due = began + max(LOOK_EVERY, took / SHARE)

    def _connections(self) -> Iterator[tuple[str, str, int]]:
        """Of the worker that serves and of those that finish what they had begun."""
        yield from connections(self._haproxy.runtime.connections())
        for worker in list(self._haproxy.retired):
            yield from connections(self._haproxy.master.connections(worker))
