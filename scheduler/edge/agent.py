"""The agent's loop: one thread that keeps HAProxy true to etcd, and etcd true to what HAProxy sees.

    etcd -> follower thread -> Applying -> Serving -> HAProxy -> Probes -> Answers thread -> etcd

What etcd says at a revision counts as applied when all of it is served. Whatever HAProxy does not do, the loop tries
again; only a configuration of its own that HAProxy never takes ends it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import threading
import time
from collections.abc import Collection, Iterable, Mapping

import structlog

from cloud import heartbeat
from scheduler import discovery
from scheduler.discovery import AppConfig, Report
from scheduler.edge.accesslog import Pipe
from scheduler.edge.answers import Answers, earlier
from scheduler.edge.applying import Applying
from scheduler.edge.backend import App
from scheduler.edge.backoff import Backoff
from scheduler.edge.certificates import Certificates
from scheduler.edge.firstchecks import FirstChecks
from scheduler.edge.folder import Folder
from scheduler.edge.haproxy import Haproxy
from scheduler.edge.hints import Hints
from scheduler.edge.opening import Opening
from scheduler.edge.probes import Probes
from scheduler.edge.serving import Serving, Up
from scheduler.edge.sockets import HaproxyError, HaproxyGone
from scheduler.edge.tally import Places
from scheduler.edge.traffic import Meter
from scheduler.etcd_base import Changes, EtcdError, Snapshot, Store
from scheduler.model import Endpoint
from scheduler.tls import Sealer
from scheduler.traffic.store import RedisTraffic

START_PAUSE = 0.5  # seconds between starts at least

News = Snapshot | Changes | Mapping[App, Report]

log = structlog.get_logger(__name__)


class Agent:
    def __init__(
        self,
        folder: Folder,
        store: Store,
        edge: str,
        bind: str,
        https_bind: str = "",
        sealer: Sealer | None = None,
        proxies: Collection[str] = (),
        redis: str = "",
    ) -> None:
        """`https_bind` empty: nothing is served encrypted. `sealer` opens what etcd has of certificates.

        `proxies`: networks of those in front of the edge whose word on who asked is taken. `redis`: the URL of where
        figures of the traffic go; empty: nowhere.
        """
        self._store, self._edge = store, edge
        self._selector = selectors.DefaultSelector()
        self._checks = FirstChecks(self._selector, lambda app, endpoint: self._passed.append((app, endpoint)))
        self._haproxy = Haproxy(folder)
        self._serving = Serving(folder, self._haproxy, bind, self._arrived, https_bind, proxies)
        self._certificates = Certificates(folder, sealer or Sealer(())) if https_bind else None
        self._changed: set[App] = set()  # whose reports are to be written anew
        self._looked: set[App] = set()  # to be looked at now
        self._places = Places()
        self._applying = Applying(
            self._serving,
            self._haproxy.runtime,
            self._certificates,
            self._checks,
            self._places,
            done=self._looked.add,
            changed=self._changed.add,
        )
        self._probes = Probes(edge, self._serving, self._haproxy, self._changed.add)
        self._answers: Answers | None = None
        self._redis, self._folder = redis, folder
        self._synced = False  # etcd was read
        self._passed: list[tuple[App, Endpoint]] = []  # first checks that did
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._deaf = False  # the follower has died
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ, lambda _now: os.eventfd_read(self._wake))
        self._hints = Hints(folder)
        self._selector.register(self._hints, selectors.EVENT_READ, lambda _now: self._look_at(self._hints.names()))
        self._pidfd: int | None = None  # the one that is registered
        self._started = self._retry_due = 0.0
        self._opening: Opening | None = None  # until HAProxy takes its first request
        self._backoff = Backoff()

    def stop(self, *_: object) -> None:
        """Have the loop end soon; HAProxy serves on. May be called by a signal's handler."""
        self._stopped.set()
        os.eventfd_write(self._wake, 1)

    def run(self) -> int:
        """Serve until told to stop; returns the exit code. Raises `HaproxyRefused` when HAProxy cannot be run."""
        self._begin()
        self._answers = Answers(self._store, self._edge)
        meter = self._meter()
        follower = threading.Thread(target=self._follow, name="follower", daemon=True)
        follower.start()
        while not self._stopped.is_set():
            self._turn()
            heartbeat.beat()
        self._answers.close()
        if meter is not None:
            meter.close()
        follower.join(1.0)
        log.info("agent_ended")
        return 1 if self._deaf else 0

    def _meter(self) -> Meter | None:
        if not self._redis:
            return None
        return Meter(Pipe(self._folder.traffic), self._haproxy, self._places, RedisTraffic(self._redis), self._edge)

    def once(self) -> None:
        """Bring HAProxy in line with what etcd says now. Raises `HaproxyError`, `EtcdError`."""
        self._begin()
        self._take(self._store.read(discovery.APPS))
        self._work(time.monotonic())
        while self._opening is not None:
            self._attend()
            self._work(time.monotonic())

    def _begin(self) -> None:
        if self._certificates is not None:
            self._certificates.load()
        self._serving.load()
        self._applying.begin()
        try:
            serves = self._serving.begin()
        except HaproxyGone as error:
            self._trouble(error, time.monotonic())
            serves = self._haproxy.alive
        if not serves:
            self._opening = Opening(time.monotonic())
        self._watch_haproxy()

    def _follow(self) -> None:
        """In a thread: what etcd says, and first what this edge said itself before it was started again."""
        first = True
        try:
            for news in self._store.follow(discovery.APPS, self._stopped):
                if first:
                    first = False
                    with contextlib.suppress(EtcdError):
                        self._news.put(earlier(self._store, self._edge))
                self._news.put(news)
                os.eventfd_write(self._wake, 1)
        except Exception:
            log.exception("follower_failed")
            self._deaf = True
            self.stop()

    def _turn(self) -> None:
        """Wait for something to happen, and do what follows from it."""
        self._attend()
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._news.get_nowait())
        now = time.monotonic()
        if now >= self._retry_due:
            try:
                self._work(now)
                self._backoff.reset()
            except HaproxyError as error:
                if self._opening is not None:
                    raise
                self._trouble(error, now)
        self._report()

    def _attend(self) -> None:
        """Wait for something to happen, for as long as nothing is due."""
        for key, _ in self._selector.select(self._patience(time.monotonic())):
            key.data(time.monotonic())
        self._checks.run(time.monotonic())

    def _patience(self, now: float) -> float:
        """Seconds until something is due that nothing announces."""
        due = [self._checks.due()]
        if now < self._retry_due:
            due.append(self._retry_due)
        elif self._opening is not None:
            due.append(self._opening.due)
        else:
            due += [self._probes.due(), self._applying.due]
        return max(0.0, min((at for at in due if at is not None), default=now + 1.0) - now)

    def _take(self, news: News) -> None:
        if not isinstance(news, Snapshot | Changes):
            self._probes.remember(news)
            return
        self._applying.take(news)
        if isinstance(news, Snapshot):
            self._synced = True
            if self._answers is not None:
                self._answers.compare()

    def _work(self, now: float) -> None:
        """All that is to be done with HAProxy. Raises `HaproxyError`; what is not done by then stays to be done."""
        if self._opening is not None and not self._opened(self._opening, now):
            return
        if self._pidfd is None:
            self._start(self._probes.up(), now)
        if self._serving.in_doubt:
            self._serving.align()
            self._looked.update(self._serving.backends.keys())
        self._applying.apply(now)
        passed, self._passed = self._passed, []
        for app, endpoint in passed:
            self._serving.health_up(app, endpoint)
            self._looked.add(app)
        while self._looked:
            self._probes.look([self._looked.pop()])
        self._probes.run(now)
        self._haproxy.trim_log()

    def _opened(self, opening: Opening, now: float) -> bool:
        """Whether HAProxy takes requests, which it does as soon as it may. Raises `HaproxyRefused`."""
        if not opening.filled:
            if not opening.may_fill(self._applying.table, self._synced, now):
                return False
            self._applying.fill()
            opening.fill(now)
        if self._checks.undecided and now < opening.due:
            return False
        passed, self._passed = self._passed, []
        self._start({(".".join(app), endpoint.instance) for app, endpoint in passed}, now)
        self._opening = None
        return True

    def _start(self, up: Up, now: float) -> None:
        self._started = now
        self._serving.start(up)
        self._watch_haproxy()
        self._looked.update(self._serving.backends.keys())

    def _report(self) -> None:
        """Tell etcd what is new."""
        if self._answers is None or not self._synced:
            return
        applying, table = self._applying, self._applying.table
        for app in self._changed:
            probes, refused = self._probes.seen.get(app, {}), applying.refusals.get(app, "")
            self._answers.report(app, Report(applying.applied(app), probes, refused) if probes or refused else None)
        self._changed.clear()
        for name, why in self._certificates.news().items() if self._certificates is not None else ():
            report = Report(table.revision, refused=why) if why else None
            self._answers.report((discovery.CERTIFICATES, name), report)
        busy = applying.pending or self._serving.in_doubt or self._looked
        if not busy and self._opening is None:
            self._answers.applied(table.revision, table.epoch)

    def _arrived(self, app: App, endpoint: Endpoint, config: AppConfig, host: str) -> None:
        self._checks.begin(app, endpoint, config, host, time.monotonic())

    def _trouble(self, error: HaproxyError, now: float) -> None:
        pause = self._backoff.next()
        log.warning("haproxy_trouble", error=str(error), retry=pause)
        self._serving.in_doubt = True
        self._retry_due = now + pause

    def _watch_haproxy(self) -> None:
        self._pidfd = self._haproxy.pidfd
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._haproxy_ended)

    def _haproxy_ended(self, now: float) -> None:
        assert self._pidfd is not None  # noqa: S101 - it is what has told
        self._selector.unregister(self._pidfd)
        self._pidfd = None
        log.error("haproxy_ended", alive=self._haproxy.alive)
        self._folder.remember_end(time.time())
        self._retry_due = max(now, self._started + START_PAUSE)

    def _look_at(self, names: Iterable[str]) -> None:
        apps = {(group, app) for group, _, app in (name.partition(".") for name in names)}
        self._looked.update(apps & self._serving.backends.keys())
