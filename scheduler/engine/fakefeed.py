"""What a fake engine tells bit by bit: events, or the lines of a log."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from scheduler.engine.base import EngineUnreachable

T = TypeVar("T")


class _End:
    pass


class Feed(Generic[T]):
    """Items as they come. Ends after `end` or `close`, and with `EngineUnreachable` after `break_off`."""

    def __init__(self, first: Iterable[T] = ()) -> None:
        self._items: queue.SimpleQueue[T | _End | EngineUnreachable] = queue.SimpleQueue()
        for item in first:
            self._items.put(item)

    def put(self, item: T) -> None:
        self._items.put(item)

    def end(self) -> None:
        self._items.put(_End())

    def break_off(self) -> None:
        self._items.put(EngineUnreachable("the engine broke off"))

    def close(self) -> None:
        self.end()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._items.get()
        if isinstance(item, _End | EngineUnreachable):
            self._items.put(item)  # for whoever asks again
            raise StopIteration if isinstance(item, _End) else item
        return item
