"""What the edges have served of an app: counts, and how long answers took. Pure; figures of several edges add up.

Latencies are counted in bins of a fixed log-linear scale, as HdrHistogram has it (G. Tene, hdrhistogram.org): whole
milliseconds up to 16, from there on eight bins an octave. So a quantile is off by an eighth of its value, or one
millisecond, at most, and histograms of edges, releases and times add up bin by bin, which quantiles do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

App = tuple[str, str]  # group, app

EXACT = 16  # milliseconds up to which each has a bin of its own
LONGEST = (1 << 25) - 1  # milliseconds, some nine hours; what takes longer is in the last bin
LAST_BIN = 183  # `bin_of(LONGEST)`


class Outcome(StrEnum):
    """How a request ended. Each request has one; all of them together are the requests."""

    INFORMED = "1xx"  # a websocket, which ended in order
    SERVED = "2xx"
    REDIRECTED = "3xx"
    REFUSED = "4xx"
    ERROR = "5xx"  # the app's own
    ANSWERED = "answered"  # by the edge in the app's name: a redirect, a limit, a password, maintenance
    ABORTED = "aborted"  # by the client before the answer was complete
    SESSION = "session"  # of an app that is served over TCP, ended in order
    NO_SERVER = "no_server"  # no instance was healthy
    TIMEOUT = "timeout"  # the instance did not answer in time
    BROKEN = "broken"  # the connection to the instance failed, or it broke off its answer


FAILED = (Outcome.ERROR, Outcome.NO_SERVER, Outcome.TIMEOUT, Outcome.BROKEN)


def bin_of(milliseconds: int) -> int:
    """The bin that a latency is counted in, from 0 to `LAST_BIN`."""
    value = min(max(milliseconds, 0), LONGEST)
    shift = max(value.bit_length() - 4, 0)
    return shift * 8 + (value >> shift)


def bound(number: int) -> int:
    """The least latency that is counted in this bin, in milliseconds; of the bin behind the last, where that ends."""
    if number < EXACT:
        return number
    shift = number // 8 - 1
    return (number % 8 + 8) << shift


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests that ended in some time, of one release or several."""

    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    bytes_in: int = 0  # from clients
    bytes_out: int = 0  # to clients
    # of requests that an instance answered, until its answer began: how many by bin
    latencies: Mapping[int, int] = field(default_factory=dict)
    milliseconds: int = 0  # all of those latencies together
    sessions: int = 0  # requests and connections under way when last looked; those of several times do not add up

    @property
    def requests(self) -> int:
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        """Requests that failed: the app's own 5xx, and what the edge had to answer in its stead."""
        return sum(self.outcomes.get(outcome, 0) for outcome in FAILED)

    @property
    def p50(self) -> float | None:
        return self.quantile(0.5)

    @property
    def p90(self) -> float | None:
        return self.quantile(0.9)

    @property
    def p99(self) -> float | None:
        return self.quantile(0.99)

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the answers began; None when there was none."""
        count = sum(self.latencies.values())
        if not count:
            return None
        wanted, seen = share * count, 0
        for number, found in sorted(self.latencies.items()):
            if seen + found >= wanted:
                low, high = bound(number), bound(number + 1)
                return (low + (high - low) * (wanted - seen) / found) / 1000
            seen += found
        raise AssertionError("the bins hold all answers")


NOTHING = Figures()


def total(parts: Iterable[Figures]) -> Figures:
    """All of them together: of several edges, releases or times."""
    outcomes: Counter[Outcome] = Counter()
    latencies: Counter[int] = Counter()
    bytes_in = bytes_out = milliseconds = sessions = 0
    for part in parts:
        outcomes.update(part.outcomes)
        latencies.update(part.latencies)
        bytes_in += part.bytes_in
        bytes_out += part.bytes_out
        milliseconds += part.milliseconds
        sessions += part.sessions
    return Figures(dict(outcomes), bytes_in, bytes_out, dict(latencies), milliseconds, sessions)
