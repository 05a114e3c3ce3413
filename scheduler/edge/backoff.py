"""Longer and longer pauses while something goes on failing. Pure."""

from __future__ import annotations

FIRST, MOST = 0.1, 5.0  # seconds


class Backoff:
    def __init__(self) -> None:
        self._pause = FIRST

    def next(self) -> float:
        """Seconds to wait now; twice as long as the last time, up to `MOST`."""
        pause, self._pause = self._pause, min(self._pause * 2, MOST)
        return pause

    def reset(self) -> None:
        """It has gone well."""
        self._pause = FIRST
