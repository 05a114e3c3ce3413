"""What the edge tells etcd: that it lives, what it has applied, what its probes see.

In a thread of its own, since etcd may take its time and HAProxy must not wait for that. What is to be said is kept, and
said again after etcd was away or has lost it; of several things to say of one app only the last is said.

The presence is leased and not revoked at the end: HAProxy serves on then, so for as long as the lease lasts whoever
waits for this edge does well to wait. An agent that is started again within that time was never seen gone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime

import structlog

from scheduler import discovery
from scheduler.discovery import REPORTS, Report
from scheduler.edge.backend import App
from scheduler.etcd_base import EtcdError, LeaseLost, Store

LEASE = 5.0  # seconds without a word after which an edge counts as gone
RENEW = 1.5  # seconds
COMPARE = 30.0  # seconds between looks whether etcd has what it was told
RETRY = 0.25  # seconds, when etcd does not take it

log = structlog.get_logger(__name__)


class Answers:
    def __init__(self, store: Store, edge: str) -> None:
        self._store, self._edge = store, edge
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._presence = json.dumps({"since": since, "pid": os.getpid()})
        self._news = threading.Condition()
        self._reports: dict[str, str] = {}  # all that etcd is to have, by key
        self._pending: dict[str, str | None] = {}  # what it is not known to have yet
        self._applied = ""
        self._said = ""  # what `applied` etcd is known to have
        self._lease = 0
        self._renew_at = self._compare_at = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    def report(self, app: App, report: Report | None) -> None:
        """Say this of an app from now on; None: nothing."""
        key = discovery.report_key(self._edge, *app)
        text = discovery.dump_report(report) if report is not None else None
        with self._news:
            if text is None:
                self._reports.pop(key, None)
            else:
                self._reports[key] = text
            self._pending[key] = text
            self._news.notify()

    def applied(self, revision: int, epoch: str) -> None:
        """All up to this revision is served; the edge is present from the first time on."""
        text = discovery.dump_applied(revision, epoch)
        if text == self._applied:
            return
        with self._news:
            self._applied = text
            self._news.notify()

    def compare(self) -> None:
        """There is doubt about what etcd has: look, and put it right."""
        with self._news:
            self._compare_at, self._said = 0.0, ""
            self._news.notify()

    def close(self) -> None:
        """Say what there is to say and end; not for long when etcd is away."""
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._news:
                due = min(self._renew_at, self._compare_at) - time.monotonic()
                if not self._stopped and not (self._applied and (self._pending or self._applied != self._said)):
                    self._news.wait(max(0.0, due) if self._applied else None)
                stopped, known = self._stopped, bool(self._applied)
            try:
                if known:
                    self._say()
            except EtcdError as error:
                log.warning("answer_failed", error=str(error))
                with self._news:
                    self._news.wait_for(lambda: self._stopped, RETRY)
            except Exception:
                log.exception("answer_failed")
                with self._news:
                    self._news.wait_for(lambda: self._stopped, RETRY)
            if stopped:
                return

    def _say(self) -> None:
        """Reports before `applied`: who sees that a revision is applied finds what was seen at it.

        Both are taken at one moment. A revision that is applied while the reports are on their way has reports of its
        own, of sessions that are not over among them: it is said with those.
        """
        if time.monotonic() >= self._compare_at:
            self._compare()
        with self._news:
            pending, self._pending = self._pending, {}
            applied = self._applied
        self._say_reports(pending)
        self._say_applied(applied)

    def _say_reports(self, pending: dict[str, str | None]) -> None:
        if not pending:
            return
        puts = {key: text for key, text in pending.items() if text is not None}
        try:
            self._store.write(puts, [key for key, text in pending.items() if text is None])
        except EtcdError:
            with self._news:
                self._pending = pending | self._pending
            raise

    def _say_applied(self, applied: str) -> None:
        try:
            if self._lease and time.monotonic() >= self._renew_at:
                self._store.keep_alive(self._lease)
                self._renew_at = time.monotonic() + RENEW
            if not self._lease:
                self._lease = self._store.grant(LEASE)
                self._renew_at = time.monotonic() + RENEW
                self._said = ""
            if applied != self._said:
                keys = {discovery.applied_key(self._edge): applied}
                if not self._said:
                    keys[discovery.presence_key(self._edge)] = self._presence
                self._store.write(keys, lease=self._lease)
                self._said = applied
        except LeaseLost:
            self._lease, self._said = 0, ""
            raise

    def _compare(self) -> None:
        """Etcd's keys of this edge against what they should be; what is left of apps that are gone goes."""
        with self._news:
            self._compare_at = time.monotonic() + COMPARE  # before the look: a doubt that comes up meanwhile stays
        found = own_reports(self._store, self._edge)
        leased = self._store.read(discovery.presence_key(self._edge)).values
        with self._news:
            wrong = {key: text for key, text in self._reports.items() if found.get(key) != text}
            self._pending = wrong | dict.fromkeys(found.keys() - self._reports.keys()) | self._pending
            if not leased:
                self._said = ""


def own_reports(store: Store, edge: str) -> dict[str, str]:
    """What etcd has of this edge's reports, by key."""
    return {key: text for key, text in store.read(REPORTS).values.items() if key.endswith(f"/{edge}")}


def earlier(store: Store, edge: str) -> dict[App, Report]:
    """What this edge said before it was started again. Raises `EtcdError`."""
    reports = {}
    for key, text in own_reports(store, edge).items():
        app = discovery.reported_app(key)
        if app is not None:
            try:
                reports[app] = discovery.load_report(edge, text)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # it is written anew
    return reports
