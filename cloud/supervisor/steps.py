"""What `up` and `down` show while they work: one line a step, with its time, and a bar on long ones.

On a terminal the current step's line is drawn anew; elsewhere each step is one plain line when it is done.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

WIDTH = 24  # of names, and of the bar
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
DRAW_EVERY = 0.08  # seconds


class Step:
    """One step under way. `detail` and `fraction` may be changed while it lasts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.detail = ""
        self.fraction: float | None = None  # of the work done, when it is known
        self.began = time.monotonic()

    def begin(self, name: str) -> None:
        """Go on with the next part of a group."""
        self.name, self.detail, self.fraction, self.began = name, "", None, time.monotonic()


class Steps:
    """Shows steps one after another on `out`."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self.out = out
        self.live = out.isatty()
        self.plain = (out.encoding or "").lower().replace("-", "") != "utf8"
        self.current: Step | None = None
        self._drawn = 0.0

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step that ends, well or with an exception, with the block."""
        self.current = step = Step(name)
        self.tick()
        try:
            yield step
        except BaseException:
            self._end(step, ok=False)
            raise
        self._end(step, ok=True)

    @contextlib.contextmanager
    def group(self, name: str) -> Iterator[Step]:
        """What shows its parts' lines by itself (`done`), and one of its own only while it lasts."""
        self.current = step = Step(name)
        try:
            yield step
        finally:
            self.current = None
            if self.live:
                self._line("")

    def tick(self) -> None:
        """Draw the current step anew, if it is time to."""
        now = time.monotonic()
        step = self.current
        if not self.live or step is None or now - self._drawn < DRAW_EVERY:
            return
        self._drawn = now
        seconds = now - step.began
        spinner = "-" if self.plain else SPINNER[int(seconds / DRAW_EVERY) % len(SPINNER)]
        bar = "" if step.fraction is None else self._bar(step.fraction)
        self._line(f"  {spinner} {step.name:{WIDTH}} {seconds:6.1f} s  {bar}{step.detail}")

    def done(self, name: str, seconds: float, detail: str = "", ok: bool = True) -> None:
        """One finished step's line."""
        mark = ("ok  " if ok else "FAIL") if self.plain else ("✓" if ok else "✗")
        self._line(f"  {mark} {name:{WIDTH}} {seconds:6.2f} s  {detail}".rstrip(), "\n")

    def say(self, text: str) -> None:
        """Something besides the steps."""
        self._line(text, "\n")
        self._drawn = 0.0
        self.tick()

    def _end(self, step: Step, ok: bool) -> None:
        self.current = None
        self.done(step.name, time.monotonic() - step.began, step.detail, ok)

    def _bar(self, fraction: float) -> str:
        full = round(WIDTH * min(1.0, max(0.0, fraction)))
        on, off = ("#", ".") if self.plain else ("█", "░")
        return f"{on * full}{off * (WIDTH - full)} {fraction * 100:3.0f} %  "

    def _line(self, text: str, end: str = "") -> None:
        self.out.write(f"\r\x1b[K{text}{end}" if self.live else f"{text}{end}")
        self.out.flush()
