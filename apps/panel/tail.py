"""One log being followed: a thread reads the engine's lines into a small buffer, a socket takes them out.

When the buffer is full the thread stops reading, so a slow page slows the engine's stream down instead of filling
memory. Closing wakes the thread and ends the engine's stream.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.queries import LogLine, LogLines

MOST = 500  # lines in the buffer


class Tail:
    def __init__(self, follow: Callable[[], LogLines]) -> None:
        """Begin. `follow` is called in the thread, since it asks the engine. Call it from the event loop."""
        self._follow = follow
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lines: deque[LogLine] = deque()
        self._room = threading.Condition()
        self._source: LogLines | None = None
        self._closed = False
        self._ended = False
        self.problem: Exception | None = None  # what ended it, unless it ended by itself
        threading.Thread(target=self._read, name="log-tail", daemon=True).start()

    async def take(self) -> list[LogLine]:
        """All the lines that are there, waiting for the first; empty when there are no more to come."""
        while True:
            await self._arrived.wait()
            with self._room:
                self._arrived.clear()
                lines, ended = list(self._lines), self._ended
                self._lines.clear()
                self._room.notify()
            if lines or ended:
                if ended:
                    self._arrived.set()  # the next call finds the end
                return lines

    def close(self) -> None:
        """End the engine's stream, from any thread."""
        with self._room:
            self._closed = True
            self._room.notify()
            source = self._source
        if source is not None:
            source.close()

    def _read(self) -> None:
        try:
            source = self._follow()
            with self._room:
                self._source = source
                closed = self._closed
            if closed:  # before there was anything to close
                source.close()
                return
            for line in source:
                if not self._put(line):
                    return
        except Exception as error:  # whatever it is, the page is told that it ended
            self.problem = error
        finally:
            with self._room:
                self._ended = True
            self._wake()

    def _put(self, line: LogLine) -> bool:
        with self._room:
            self._room.wait_for(lambda: len(self._lines) < MOST or self._closed)
            self._lines.append(line)
        self._wake()
        return not self._closed

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)
