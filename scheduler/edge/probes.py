"""Each instance's verdict as last seen, and when to look again.

HAProxy's log lines hint at which app to look at; a slow look at all servers finds what no line has told. While an
endpoint drains its sessions are looked at often, so that whoever waits for the last of them waits no longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from scheduler.discovery import Report
from scheduler.edge.backend import App
from scheduler.edge.haproxy import Haproxy
from scheduler.edge.render import KEEP_ALIVE
from scheduler.edge.serving import Serving
from scheduler.edge.sockets import standings
from scheduler.edge.verdicts import Row, judge
from scheduler.model import Probe

DRAINING_EVERY = 0.2  # seconds
ALL_EVERY = 2.0  # seconds
SHARE = 0.02  # of the time that looking may take at most, when there is a lot to look at


class Probes:
    """`changed` is called with every app that a look has found something new about."""

    def __init__(self, edge: str, serving: Serving, haproxy: Haproxy, changed: Callable[[App], None]) -> None:
        self.seen: dict[App, dict[str, Probe]] = {}
        self._edge, self._serving, self._haproxy, self._changed = edge, serving, haproxy, changed
        self._draining: set[App] = set()  # with sessions to wait for
        self._draining_due = self._all_due = 0.0

    def remember(self, reports: Mapping[App, Report]) -> None:
        """What was said before the agent was started again: a verdict that stays keeps its beginning."""
        for app, report in reports.items():
            seen = self.seen.get(app, {})
            for name, said in report.probes.items():
                if name in seen and seen[name].up == said.up:
                    seen[name] = replace(seen[name], since=said.since, detail=said.detail)
                    self._changed(app)

    def up(self) -> set[tuple[str, str]]:
        """(backend, instance) of all that were up when last seen."""
        return {
            (backend.name, name)
            for app, backend in self._serving.backends.items()
            for name, probe in self.seen.get(app, {}).items()
            if probe.up
        }

    def look(self, apps: Iterable[App]) -> None:
        """Look at these apps now. Raises `HaproxyGone`."""
        for app in apps:
            before = self.seen.get(app, {})
            after = self._judged(app, before)
            if after:
                self.seen[app] = after
            else:
                self.seen.pop(app, None)
            if after != before:
                self._changed(app)

    def due(self) -> float:
        """When `run` has something to do next."""
        return min(self._all_due, self._draining_due) if self._draining else self._all_due

    def run(self, now: float) -> None:
        """Do the looks that are due. Raises `HaproxyGone`."""
        if self._draining and now >= self._draining_due:
            self._haproxy.look()
            self.look(list(self._draining))
            self._draining_due = self._after(now, DRAINING_EVERY)
        if now >= self._all_due:
            self.look(self._deviating())
            self._all_due = self._after(now, ALL_EVERY)

    def _after(self, began: float, every: float) -> float:
        ended = time.monotonic()
        return ended + max(every, (ended - began) / SHARE)

    def _deviating(self) -> set[App]:
        """Apps with a server whose state is another than what was seen; or is down, of which the reason may change."""
        by_name = {each.name: (app, each) for app, each in self._serving.backends.items()}
        deviating = set()
        for standing in standings(self._haproxy.runtime.servers()):
            if standing.spare or standing.backend not in by_name:
                continue
            app, backend = by_name[standing.backend]
            held = backend.slots[standing.number]
            probe = self.seen.get(app, {}).get(held.instance) if held is not None else None
            if probe is None or not probe.up or not standing.up:
                deviating.add(app)
        return deviating

    def _judged(self, app: App, before: Mapping[str, Probe]) -> dict[str, Probe]:
        backend = self._serving.backends.get(app)
        if backend is None or not any(backend.slots):
            self._draining.discard(app)
            return {}
        lingering: list[Row] = []
        if any(held is not None and held.draining for held in backend.slots):
            for worker, since in self._haproxy.retired.items():
                idle = time.monotonic() - since < KEEP_ALIVE
                lingering += may_send(self._haproxy.master.stat(worker, backend.name), idle)
        found = self._haproxy.runtime.stat(backend.name)
        after = judge(self._edge, backend.slots, found, lingering, before, datetime.now(UTC))
        (self._draining.add if any(probe.sessions for probe in after.values()) else self._draining.discard)(app)
        return after


def may_send(found: Iterable[Row], idle: bool) -> list[Row]:
    """The servers of a worker that finishes. It cannot be told of a change any more.

    While clients' idle connections (`idle`) may bring it one more request each, that counts as a session of every
    server that it would send it to.
    """
    return [replace(row, sessions=row.sessions + (idle and row.up and not row.draining)) for row in found]
