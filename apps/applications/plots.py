"""Small plots of an app's traffic, drawn by the server as the points of SVG lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from scheduler.traffic.figures import NOTHING, Figures, total
from scheduler.traffic.source import Point

STEP = 10  # seconds
STEPS = 180  # half an hour
WIDTH, HEIGHT = 360, 80  # of a plot, in its own units
MOST_LINES = 4  # releases with lines of their own, the latest


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    number: int  # says its colour
    points: tuple[str, ...]  # one or more runs of "x,y x,y …"; where there is no value the line breaks off


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    most: str  # what the top stands for, with its unit
    now: str  # the value of the last whole step
    lines: tuple[Line, ...]


def plots(points: Iterable[Point], now: float) -> list[Plot]:
    """Requests, errors and latency of the last half an hour."""
    end = int(now) // STEP * STEP  # the step under way is not over, so it is not shown
    begins = [end - STEP * number for number in range(STEPS, 0, -1)]
    by_begin = {point.begin: point for point in points}
    steps = [by_begin[begin].releases if begin in by_begin else {} for begin in begins]
    releases = sorted({release for step in steps for release in step if release})[-MOST_LINES:]
    shown = [[total(step.values()) for step in steps]]
    names = [_("all")]
    if len(releases) > 1:
        shown += [[step.get(release, NOTHING) for step in steps] for release in releases]
        names += [_("release %(n)s") % {"n": release} for release in releases]
    every = list(zip(names, shown, strict=True))
    whole = every[:1]
    return [
        _plot(_("Requests a second"), every, lambda each: each.requests / STEP, _number),
        _plot(_("Errors a second"), every, lambda each: each.errors / STEP, _number),
        _plot(
            _("Latency, p50 and p99"),
            [("p50", whole[0][1])],
            lambda each: each.p50,
            seconds,
            [("p99", whole[0][1], lambda each: each.p99)],
        ),
    ]


Value = Callable[[Figures], float | None]


def _plot(
    title: str,
    series: Sequence[tuple[str, list[Figures]]],
    value: Value,
    said: Callable[[float], str],
    more: Sequence[tuple[str, list[Figures], Value]] = (),
) -> Plot:
    rows = [(name, [value(each) for each in of]) for name, of in series]
    rows += [(name, [other(each) for each in of]) for name, of, other in more]
    most = _top(max((each for _name, row in rows for each in row if each is not None), default=0.0))
    lines = tuple(Line(name, number, tuple(_runs(row, most))) for number, (name, row) in enumerate(rows))
    last = " · ".join(said(row[-1]) if row[-1] is not None else "–" for _name, row in (rows if more else rows[:1]))
    return Plot(title, said(most), last, lines)


def _runs(row: Sequence[float | None], most: float) -> Iterable[str]:
    run: list[str] = []
    for number, value in enumerate([*row, None]):
        if value is not None:
            run.append(f"{number * WIDTH / (STEPS - 1):.1f},{HEIGHT - value / most * (HEIGHT - 4) - 2:.1f}")
        elif run:
            # a single value is a dot: a line of no length with round ends
            yield " ".join(run if len(run) > 1 else run * 2)
            run = []


def _top(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 …, so that the scale seldom changes."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(power * step for step in (1, 2, 5, 10) if value <= power * step * 1.0000001))


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}".replace(",", " ")


def seconds(value: float | None) -> str:
    """A latency in words; below a millisecond it is not known better."""
    if value is None:
        return "–"
    if value < 0.001:
        return "<1 ms"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2g} s"


def rows(points: Iterable[Point], window: int, sessions: Mapping[int, int]) -> list[dict[str, Any]]:
    """What a table shows of the last `window` seconds, the latest release first."""
    parts: dict[int, list[Figures]] = {}
    for point in points:
        for release, of in point.releases.items():
            parts.setdefault(release, []).append(of)
    return [
        {
            "release": release,
            "requests": _number(figures.requests / window),
            "errors": figures.errors,
            "share": f"{figures.errors / figures.requests:.2%}" if figures.errors else "",
            "p50": seconds(figures.p50),
            "p90": seconds(figures.p90),
            "p99": seconds(figures.p99),
            "sessions": sessions.get(release, 0),
            "sent": figures.bytes_out // window,
        }
        for release, figures in sorted(((release, total(of)) for release, of in parts.items()), reverse=True)
    ]
