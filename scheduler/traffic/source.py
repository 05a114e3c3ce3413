"""Where the figures of past traffic can be asked for.

TrafficUnavailable   temporary  the figures cannot be read now; that says nothing of the traffic
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scheduler.traffic.figures import App, Figures, Outcome, total


class TrafficUnavailable(Exception):
    """Nobody knows the figures now. Whoever decides by them waits, and does not take it for silence."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was served in `step` seconds from `begin` (seconds since 1970) on, by release; 0: what no instance got."""

    begin: int
    step: int
    releases: Mapping[int, Figures]


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters of one release that only rise, unless all that is kept of it was lost."""

    app: App
    release: int
    outcomes: Mapping[Outcome, int]
    bytes_in: int
    bytes_out: int
    milliseconds: int
    within: Mapping[int, int]  # answers that began within so many milliseconds, and not within fewer; 0: in more


class Source(Protocol):
    """All of it raises `TrafficUnavailable`."""

    def window(self, app: App, release: int | None, seconds: float) -> Figures:
        """What was served of a release of (group, app) in the last `seconds`, by all edges; None: of all releases.

        Rounded up to whole steps of 10 s; an edge's figures are there some 2 s after the request has ended. No
        traffic: `requests` is 0 and quantiles are None.

        Requests that no instance got, such as those that found none healthy, belong to no release: they are in release
        0, and in None.
        """

    def series(self, app: App, seconds: float, until: float | None = None) -> list[Point]:
        """What was served in the `seconds` before `until` (seconds since 1970; None: now), oldest first.

        In steps of 10 s for the last hour, of 5 min for the last day. Steps without traffic are missing.
        """

    def totals(self) -> Iterator[Totals]:
        """The counters of all releases that have had traffic of late, by app."""


@dataclass
class FakeSource:
    """Says what it was given; `unavailable` is raised if it is set. Keeps what it was asked in `asked`."""

    figures: Mapping[tuple[App, int], Figures] = field(default_factory=dict)
    unavailable: str = ""
    asked: list[tuple[App, int | None, float]] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    counters: list[Totals] = field(default_factory=list)

    def window(self, app: App, release: int | None, seconds: float) -> Figures:
        self.asked.append((app, release, seconds))
        self._available()
        return total(each for (of, number), each in self.figures.items() if of == app and release in (None, number))

    def series(self, app: App, seconds: float, until: float | None = None) -> list[Point]:
        self._available()
        return self.points

    def totals(self) -> Iterator[Totals]:
        self._available()
        yield from self.counters

    def _available(self) -> None:
        if self.unavailable:
            raise TrafficUnavailable(self.unavailable)
