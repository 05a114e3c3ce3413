"""The first check of an endpoint that is new, many times a second, so that it serves as soon as it can.

HAProxy checks a server that leaves maintenance only when the timer of its spare slot next comes round, which takes up
to the app's whole interval. So the agent asks the same question itself, in quick succession and only until the first
yes, and then declares the server up; from there on HAProxy's own checks decide. Without the agent it just takes longer.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import re
import selectors
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from scheduler.discovery import AppConfig
from scheduler.edge.backend import App
from scheduler.edge.render import USER_AGENT
from scheduler.model import Endpoint, Protocol

PASSED = re.compile(rb"HTTP/1\.[01] 2\d\d ")
NO_LINGER = struct.pack("ii", 1, 0)
STATUS_LINE = 15  # bytes of it that tell
# seconds since it is new, until which it is asked again after so many seconds; then HAProxy's own checks must do
PACE = ((1.0, 0.025), (10.0, 0.1), (60.0, 0.5))
MOST_AT_ONCE = 200  # connections; the others wait for theirs
LONGEST_READ = 1 << 16  # bytes of an answer that are taken in before its connection is closed


@dataclass(slots=True, eq=False)
class _Check:
    """The check of one endpoint: between two attempts, or in one."""

    app: App
    endpoint: Endpoint
    request: bytes  # empty: a connection is enough
    timeout: float
    successes: int
    began: float
    due: float = 0.0  # when to try next, or to give this attempt up
    within: _Deadlines | None = None  # where `due` stands
    passed: int = 0
    channel: socket.socket | None = None
    answer: bytearray = field(default_factory=bytearray)


class _Deadlines:
    """Checks by when they are due. One that has another `due` by then, or is due elsewhere, is due here no more."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Check]] = []
        self._numbers = itertools.count()  # two checks that are due at once are not compared

    def add(self, check: _Check, due: float) -> None:
        check.due, check.within = due, self
        heapq.heappush(self._heap, (due, next(self._numbers), check))

    def first(self) -> float | None:
        while self._heap and not self._holds(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> _Check | None:
        """The next that is due by now."""
        first = self.first()
        if first is None or first > now:
            return None
        check = heapq.heappop(self._heap)[2]
        check.within = None
        return check

    def _holds(self, entry: tuple[float, int, _Check]) -> bool:
        due, _, check = entry
        return check.within is self and check.due == due


class FirstChecks:
    """All checks under way, driven by the selector that they are registered with."""

    def __init__(self, selector: selectors.BaseSelector, passed: Callable[[App, Endpoint], None]) -> None:
        self._selector = selector
        self._passed = passed
        self._checks: dict[App, dict[str, _Check]] = {}
        self._undecided: set[_Check] = set()  # that have neither passed nor failed yet
        self._waiting, self._tried = _Deadlines(), _Deadlines()  # between two attempts, and in one
        self._open = 0

    def begin(self, app: App, endpoint: Endpoint, config: AppConfig, host: str, now: float) -> None:
        """Check this endpoint from now on, in place of what was checked under its instance's name."""
        self.end(app, endpoint.instance)
        health = config.health
        request = b""
        if config.protocol is Protocol.HTTP and health.path is not None:
            lines = (
                f"GET {endpoint.check or health.path} HTTP/1.1",
                f"Host: {host}",
                f"User-Agent: {USER_AGENT}",
                "Connection: close",
            )
            request = "\r\n".join((*lines, "", "")).encode("ascii")
        check = _Check(app, endpoint, request, health.timeout, health.successes, began=now)
        self._checks.setdefault(app, {})[endpoint.instance] = check
        self._undecided.add(check)
        self._waiting.add(check, now)

    def end(self, app: App, instance: str) -> None:
        """Check it no more, if it was."""
        check = self._checks.get(app, {}).get(instance)
        if check is not None:
            self._forget(check)
            self._hang_up(check)

    def instances(self, app: App) -> set[str]:
        """Those of an app that are being checked."""
        return set(self._checks.get(app, ()))

    @property
    def undecided(self) -> bool:
        """Whether there is an endpoint of which nobody knows yet how it is."""
        return bool(self._undecided)

    def due(self) -> float | None:
        """When `run` has to be called next."""
        due = [self._tried.first(), self._waiting.first() if self._open < MOST_AT_ONCE else None]
        return min((at for at in due if at is not None), default=None)

    def run(self, now: float) -> None:
        """Begin the attempts that are due and give up those that take too long."""
        while (check := self._tried.take(now)) is not None:
            self._failed(check, now)
        while self._open < MOST_AT_ONCE and (check := self._waiting.take(now)) is not None:
            self._attempt(check, now)

    def _attempt(self, check: _Check, now: float) -> None:
        check.answer.clear()
        try:
            check.channel = channel = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:  # no descriptors left
            self._failed(check, now)
            return
        self._open += 1
        self._tried.add(check, now + check.timeout)
        error = channel.connect_ex((check.endpoint.address, check.endpoint.port))
        if error not in (0, errno.EINPROGRESS):
            self._failed(check, now)
            return
        self._selector.register(channel, selectors.EVENT_WRITE, lambda at: self._go_on(check, at))

    def _go_on(self, check: _Check, now: float) -> None:
        """The connection stands, or there is something to read, or neither will ever be."""
        channel = check.channel
        if channel is None:
            return
        try:
            if self._events(channel) & selectors.EVENT_WRITE:
                if channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self._failed(check, now)
                elif check.request:
                    channel.send(check.request)  # into an empty buffer: all of it
                    self._selector.modify(channel, selectors.EVENT_READ, self._selector.get_key(channel).data)
                else:
                    self._succeeded(check, now)
                return
            piece = channel.recv(STATUS_LINE - len(check.answer))
            check.answer += piece
            if len(check.answer) < STATUS_LINE and piece:
                return
            (self._succeeded if PASSED.match(check.answer) else self._failed)(check, now)
        except BlockingIOError:
            return
        except OSError:
            self._failed(check, now)

    def _events(self, channel: socket.socket) -> int:
        return self._selector.get_key(channel).events

    def _succeeded(self, check: _Check, now: float) -> None:
        if check.channel is not None and check.request:
            with contextlib.suppress(OSError):  # what is left unread would reset the connection, which servers log
                check.channel.recv(LONGEST_READ)
        self._hang_up(check, abort=False)
        check.passed += 1
        if check.passed < check.successes:
            self._later(check, now)
            return
        self._forget(check)
        self._passed(check.app, check.endpoint)

    def _failed(self, check: _Check, now: float) -> None:
        self._hang_up(check)
        self._undecided.discard(check)
        check.passed = 0
        self._later(check, now)

    def _later(self, check: _Check, now: float) -> None:
        pause = next((pause for until, pause in PACE if now - check.began < until), None)
        if pause is None:
            self._forget(check)
        else:
            self._waiting.add(check, now + pause)

    def _forget(self, check: _Check) -> None:
        of_app = self._checks[check.app]
        del of_app[check.endpoint.instance]
        if not of_app:
            del self._checks[check.app]
        self._undecided.discard(check)
        check.within = None

    def _hang_up(self, check: _Check, *, abort: bool = True) -> None:
        if check.channel is None:
            return
        with contextlib.suppress(KeyError):
            self._selector.unregister(check.channel)
        if abort:  # without TIME_WAIT: there would be hundreds
            check.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        check.channel.close()
        check.channel = None
        self._open -= 1
