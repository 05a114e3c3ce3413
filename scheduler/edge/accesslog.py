"""HAProxy's line for each request that has ended, and the pipe that carries it to the agent.

The pipe is HAProxy's standard input: it keeps it over reloads, old workers write into it to their last request, and it
holds what nobody reads while an agent is started again, up to a mebibyte. HAProxy never waits for it: what finds no
room is lost. Under load a line in thousands may be missing without that. A line has nothing that a client has written.
A HAProxy without a pipe there writes nowhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.traffic.figures import Outcome

CAPACITY = 1 << 20  # bytes: what an unprivileged process may have
PIECE = 1 << 20
LOG = "log fd@0 format short local0"
# app, instance's place, status, how it ended, milliseconds (queue, connection, answer), bytes from and to the client
HTTP_FORMAT = "'|%b|%si:%sp|%ST|%ts|%Tw|%Tc|%Tr|%U|%B|'"
TCP_FORMAT = "'|%b|%si:%sp|0|%ts|%Tw|%Tc|0|%U|%B|'"
FIELDS = 9
BUSY = 1000  # requests a second of an app, from which on not every one has a line
STANDS_FOR = 16  # how many a line stands for then
SAMPLE = b"<5>"  # (notice) before a line says that it stands for so many; before others is another level
NOWHERE = "-:-"  # no instance got the request
TUNNEL = 101  # the status of a websocket
BY_STATUS = (Outcome.INFORMED, Outcome.SERVED, Outcome.REDIRECTED, Outcome.REFUSED, Outcome.ERROR)


class Pipe:
    """The agent's end. Whoever opens it finds what was written before."""

    def __init__(self, path: Path) -> None:
        """Makes it if it is not there. Raises `OSError`."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # for both directions: so there is always a reader, and a writer
        self.end = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # as large as it may be
            fcntl.fcntl(self.end, fcntl.F_SETPIPE_SZ, CAPACITY)
        self._rest = b""

    def lines(self) -> Counter[bytes]:
        """Each different line that has come since, and how often."""
        found: Counter[bytes] = Counter()
        for _ in range(4):  # then others have their turn
            try:
                piece = os.read(self.end, PIECE)
            except BlockingIOError:
                break
            *whole, self._rest = (self._rest + piece).split(b"\n")
            found.update(whole)
        self._rest = self._rest[-4096:]
        return found

    def close(self) -> None:
        os.close(self.end)


@dataclass(frozen=True, slots=True)
class Line:
    """One request, or one TCP session."""

    backend: str
    place: str  # address:port of the instance; `NOWHERE`
    outcome: Outcome
    milliseconds: int  # until its answer began; -1: it did not, or no instance's
    bytes_in: int
    bytes_out: int
    count: int = 1  # requests that it stands for


def sampling() -> tuple[str, ...]:
    """For the end of an app's backend: of many requests that went well only some have a line, chosen by chance.

    What failed always has one of its own. That a line stands for others is said by its level, which costs a request
    less than a variable. Whom this is not about leaves the rules first, so nothing may come behind them.
    """
    return (
        f"http-response allow unless {{ be_sess_rate ge {BUSY} }}",
        "http-response allow if { status ge 500 }",
        "http-response set-log-level silent",
        f"http-response set-log-level notice if {{ rand({STANDS_FOR}) eq 0 }}",
    )


def read(line: bytes) -> Line | None:
    """None for what is no such line, such as HAProxy's own remarks, or is of a request that reached no app."""
    # what HAProxy says of itself may end in a stray sign instead of a newline
    level, *fields, behind = line.split(b"|") if line.count(b"|") == FIELDS + 1 else (b"", b"")
    if not fields or behind:
        return None
    try:
        backend, place, state = fields[0].decode("ascii"), fields[1].decode("ascii"), fields[3].decode("ascii")
        status, *numbers = (int(fields[at]) for at in (2, 4, 5, 6, 7, 8))
    except (UnicodeDecodeError, ValueError):
        return None
    if "." not in backend or len(state) != 2:
        return None
    queued, connected, answered, bytes_in, bytes_out = numbers
    outcome = judge(status, state, place)
    count = STANDS_FOR if level.endswith(SAMPLE) else 1
    took = max(queued, 0) + max(connected, 0) + answered
    counts = place != NOWHERE and answered >= 0 and connected >= 0 and outcome is not Outcome.ANSWERED
    return Line(backend, place, outcome, took if counts else -1, bytes_in, bytes_out, count)


def judge(status: int, state: str, place: str) -> Outcome:
    """How a request ended, from its status (0: a TCP session) and HAProxy's two signs for who ended it and when."""
    who, when = state[0], state[1]
    ended = Outcome.SESSION if status == 0 else Outcome.INFORMED
    rules: Mapping[str, Outcome] = {
        "L": Outcome.ANSWERED,
        "C": Outcome.ABORTED,
        "c": Outcome.ABORTED,
        "S": Outcome.BROKEN if place != NOWHERE else Outcome.NO_SERVER,
        "s": Outcome.TIMEOUT if place != NOWHERE else Outcome.NO_SERVER,
        "P": Outcome.BROKEN if when == "H" else Outcome.ANSWERED,
    }
    if who == "-":
        return Outcome.SESSION if status == 0 else BY_STATUS[min(max(status // 100, 1), 5) - 1]
    if when == "D" and status in (0, TUNNEL) and who in "Ccs":
        return ended  # whoever hangs up first, or says nothing for too long, ends it
    return rules.get(who, Outcome.BROKEN)
