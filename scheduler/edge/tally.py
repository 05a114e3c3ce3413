"""What HAProxy's lines say, added up by app and release. Pure; time is an argument.

A line tells where its instance is. Which release that was is known from what has been served: a place is remembered
after its instance has gone, since its last requests may end hours later. Addresses rest before they are given again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from scheduler.edge.accesslog import NOWHERE, Line, read
from scheduler.edge.backend import App, Backend
from scheduler.traffic.batch import SCALES, Batch, Entry, Scale
from scheduler.traffic.figures import Figures, Outcome, bin_of

MOST_PLACES = 256  # remembered of an app, besides those that are served
MOST_GONE = 1000  # apps that are remembered after they have gone
NO_RELEASE = 0


@dataclass(slots=True)
class _Sum:
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    milliseconds: int = 0

    def add(self, line: Line, times: int) -> None:
        count = line.count * times
        self.outcomes[line.outcome] += count
        self.bytes_in += line.bytes_in * count
        self.bytes_out += line.bytes_out * count
        if line.milliseconds >= 0:
            self.latencies[bin_of(line.milliseconds)] += count
            self.milliseconds += line.milliseconds * count

    def figures(self) -> Figures:
        return Figures(dict(self.outcomes), self.bytes_in, self.bytes_out, dict(self.latencies), self.milliseconds)


class Places:
    """Which release is, or was, at a place. Read by one thread while another one tells it what is served."""

    def __init__(self) -> None:
        self._served: dict[str, dict[str, int]] = {}
        self._gone: dict[str, dict[str, int]] = {}

    def know(self, backend: Backend) -> None:
        """What is served of an app from now on."""
        places = dict(self._served.get(backend.name) or self._gone.pop(backend.name, {}))
        for held in backend.slots:
            if held is not None:
                place = f"{held.address}:{held.port}"
                places.pop(place, None)  # the latest last
                places[place] = held.release
        while len(places) > MOST_PLACES + len(backend.slots):
            del places[next(iter(places))]
        self._served[backend.name] = places

    def forget(self, name: str) -> None:
        """An app is not served any more; some of its last requests may still be under way."""
        if (places := self._served.pop(name, None)) is not None:
            self._gone[name] = places
            while len(self._gone) > MOST_GONE:
                del self._gone[next(iter(self._gone))]

    def release(self, name: str, place: str) -> int:
        """`NO_RELEASE` for what no instance got, or one that nobody remembers."""
        places = self._served.get(name) or self._gone.get(name) or {}
        return NO_RELEASE if place == NOWHERE else places.get(place, NO_RELEASE)


class Tally:
    """All figures that are not written yet, and the steps that are not over."""

    def __init__(self, run: str, release: Callable[[str, str], int]) -> None:
        """`run`: a word that no other run of an edge has; `release`: of what is at a place of a backend."""
        self._run, self._release = run, release
        self._sums: dict[tuple[Scale, int, App, int], _Sum] = {}
        self._touched: set[tuple[Scale, int, App, int]] = set()
        self._added: dict[tuple[App, int], _Sum] = {}
        self._sessions: dict[tuple[App, int], int] = {}
        self._batches = 0

    def take(self, lines: Mapping[bytes, int], now: float) -> None:
        for text, count in lines.items():
            if (line := read(text)) is None:
                continue
            app, release = _app(line.backend), self._release(line.backend, line.place)
            for scale in SCALES:
                key = (scale, scale.begin(now), app, release)
                self._sums.setdefault(key, _Sum()).add(line, count)
                self._touched.add(key)
            self._added.setdefault((app, release), _Sum()).add(line, count)

    def sessions(self, found: Iterable[tuple[str, str, int]], now: float) -> None:
        """How many are under way: (backend, place, sessions), of all that have any."""
        before, self._sessions = self._sessions, {}
        for backend, place, count in found:
            of = (_app(backend), self._release(backend, place))
            self._sessions[of] = self._sessions.get(of, 0) + count
        for app, release in before.keys() | self._sessions.keys():
            for scale in SCALES:
                key = (scale, scale.begin(now), app, release)
                self._sums.setdefault(key, _Sum())
                self._touched.add(key)

    def batch(self, now: float) -> Batch | None:
        """What has come since the batch before; None: nothing. Forgets steps that are over and written."""
        if not self._touched:
            return None
        self._batches += 1
        entries = tuple(
            Entry(*key, replace(self._sums[key].figures(), sessions=self._sessions.get(key[2:], 0)))
            for key in sorted(self._touched, key=lambda key: (key[0].step, *key[1:]))
        )
        added = {of: each.figures() for of, each in self._added.items()}
        self._touched, self._added = set(), {}
        for key in [key for key in self._sums if key[1] + key[0].step <= now]:
            del self._sums[key]
        return Batch(f"{self._run}.{self._batches}", entries, added)


def _app(backend: str) -> App:
    group, _, app = backend.partition(".")
    return group, app
