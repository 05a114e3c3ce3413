"""What an edge writes of its traffic: figures by release and step of time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.traffic.figures import App, Figures


@dataclass(frozen=True, slots=True)
class Scale:
    """Figures of so many seconds each, in keys of so many seconds, kept for so many after that."""

    step: int
    key: int
    kept: int

    def begin(self, at: float) -> int:
        """When the step began that this moment is in."""
        return int(at) // self.step * self.step


FINE, COARSE = Scale(10, 600, 3600), Scale(300, 6 * 3600, 86400)
SCALES = (FINE, COARSE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One edge's figures of one release in one step, so far."""

    scale: Scale
    begin: int  # seconds since 1970
    app: App
    release: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Batch:
    """What an edge writes at once. `added` is new since the batch before; `name` is no other's."""

    name: str
    entries: tuple[Entry, ...]
    added: Mapping[tuple[App, int], Figures]
