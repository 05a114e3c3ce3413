"""Where the figures of past traffic can be asked for.

TrafficUnavailable   temporary  the figures cannot be read now; that says nothing of the traffic
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scheduler.traffic.figures import App, Figures, total


class TrafficUnavailable(Exception):
    """Nobody knows the figures now. Whoever decides by them waits, and does not take it for silence."""


class Source(Protocol):
    def window(self, app: App, release: int | None, seconds: float) -> Figures:
        """What was served of a release of (group, app) in the last `seconds`, by all edges; None: of all releases.

        Rounded up to whole steps of 10 s; an edge's figures are there 2 s after the request has ended. No traffic:
        `requests` is 0 and quantiles are None. Raises `TrafficUnavailable`.

        Requests that no instance got, such as those that found none healthy, belong to no release: they are in release
        0, and in None.
        """


@dataclass
class FakeSource:
    """Says what it was given; `unavailable` is raised if it is set. Keeps what it was asked in `asked`."""

    figures: Mapping[tuple[App, int], Figures] = field(default_factory=dict)
    unavailable: str = ""
    asked: list[tuple[App, int | None, float]] = field(default_factory=list)

    def window(self, app: App, release: int | None, seconds: float) -> Figures:
        self.asked.append((app, release, seconds))
        if self.unavailable:
            raise TrafficUnavailable(self.unavailable)
        return total(each for (of, number), each in self.figures.items() if of == app and release in (None, number))
