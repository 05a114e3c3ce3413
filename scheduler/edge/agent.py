"""The agent's loop: one thread that keeps HAProxy true to etcd, and etcd true to what HAProxy sees.

    etcd -> follower thread -> Table -> touched apps -> Serving -> HAProxy -> Probes -> Answers thread -> etcd

A change that HAProxy takes over its socket is made at once. One that needs a reload is made at once after a quiet
time, and waits for its like while reloads come thick. What etcd says at a revision counts as applied when all of it is
served. Whatever HAProxy does not do, the loop tries again; only a configuration of its own that HAProxy never takes
ends it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Collection, Iterable, Mapping

import structlog

from cloud import heartbeat
from scheduler import discovery
from scheduler.discovery import AppConfig, Report
from scheduler.edge.accesslog import Pipe
from scheduler.edge.answers import Answers, earlier
from scheduler.edge.backend import App, may_serve, shape
from scheduler.edge.certificates import Certificates
from scheduler.edge.firstchecks import FirstChecks
from scheduler.edge.folder import Folder
from scheduler.edge.haproxy import Haproxy
from scheduler.edge.opening import Opening
from scheduler.edge.plan import change
from scheduler.edge.probes import Probes
from scheduler.edge.serving import Serving, Up
from scheduler.edge.sockets import HaproxyError, HaproxyGone, HaproxyRefused
from scheduler.edge.state import Table, Wanted
from scheduler.edge.tally import Places
from scheduler.edge.traffic import Meter
from scheduler.edge.verdicts import hinted
from scheduler.etcd_base import Changes, EtcdError, Snapshot, Store
from scheduler.model import Endpoint
from scheduler.tls import Sealer
from scheduler.traffic.store import RedisTraffic

RELOAD_PAUSE = 0.1  # seconds between reloads at least, and at least as long as the last one took
RETRY_FIRST, RETRY_MOST = 0.1, 5.0  # seconds, when HAProxy does not do as it is told
START_PAUSE = 0.5  # seconds between starts at least
LONGEST_HINT = 8192  # bytes
MOST_HINTS = 1000  # read in one go

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
        self._probes = Probes(edge, self._serving, self._haproxy, self._changed.add)
        self._answers: Answers | None = None
        self._places, self._redis, self._folder = Places(), redis, folder
        self._table = Table({})
        self._synced = False  # etcd was read
        self._touched: dict[App, int] = {}  # not served as wanted yet, and the revision at which they still were
        self._looked: set[App] = set()  # to be looked at now
        self._passed: list[tuple[App, Endpoint]] = []  # first checks that did
        self._refusals: dict[App, str] = {}
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._deaf = False  # the follower has died
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ, lambda _now: os.eventfd_read(self._wake))
        self._hints = _hints(folder)
        self._selector.register(self._hints, selectors.EVENT_READ, lambda _now: self._read_hints())
        self._pidfd: int | None = None  # the one that is registered
        self._started = self._reload_due = self._retry_due = 0.0
        self._opening: Opening | None = None  # until HAProxy takes its first request
        self._retry_pause = RETRY_FIRST

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
        self._table = Table(_kept(self._serving))
        for backend in self._serving.backends.values():
            self._places.know(backend)
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
                self._retry_pause = RETRY_FIRST
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
            due += [self._probes.due(), self._reload_due if self._touched or self._certifying() else None]
        return max(0.0, min((at for at in due if at is not None), default=now + 1.0) - now)

    def _take(self, news: News) -> None:
        revision = self._table.revision
        if isinstance(news, Snapshot):
            touched = self._table.replace(news)
            self._synced = True
            if self._answers is not None:
                self._answers.compare()
        elif isinstance(news, Changes):
            touched = self._table.update(news)
        else:
            self._probes.remember(news)
            return
        if self._certificates is not None:
            self._certificates.take(news)
        for app in touched:
            self._touched.setdefault(app, revision)

    def _work(self, now: float) -> None:
        """All that is to be done with HAProxy. Raises `HaproxyError`; what is not done by then stays to be done."""
        if self._opening is not None and not self._opened(self._opening, now):
            return
        if self._pidfd is None:
            self._start(self._probes.up(), now)
        if self._serving.in_doubt:
            self._serving.align()
            self._looked |= self._serving.backends.keys()
        self._change(now)
        self._certify(now)
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
            if not opening.may_fill(self._table, self._synced, now):
                return False
            self._fill()
            opening.fill(now)
        if self._checks.undecided and now < opening.due:
            return False
        passed, self._passed = self._passed, []
        self._start({(".".join(app), endpoint.instance) for app, endpoint in passed}, now)
        self._opening = None
        return True

    def _fill(self) -> None:
        """Write down what etcd wants served, for a HAProxy that starts."""
        wanted = {app: self._table.apps.get(app) for app in sorted(self._touched)}
        self._serving.fill(wanted)
        for backend in self._serving.backends.values():
            self._places.know(backend)
        for app in wanted:
            self._done(app)
        if self._certifying() and self._certificates is not None:
            self._certificates.reload(lambda: None)

    def _start(self, up: Up, now: float) -> None:
        self._started = now
        self._serving.start(up)
        self._watch_haproxy()
        self._looked |= self._serving.backends.keys()

    def _change(self, now: float) -> None:
        """Bring in what etcd wants otherwise than it is."""
        slow = []
        for app in sorted(self._touched):
            wanted = self._table.apps.get(app)
            self._end_checks(app, wanted)
            change_ = change(app, wanted, self._serving.backends.get(app))
            if change_.after is not None:  # before it can have a request
                self._places.know(change_.after)
            if change_.needs_reload:
                slow.append(app)
                continue
            if change_.before != change_.after:
                self._serving.tell(change_)
            self._done(app)
        if slow and now >= self._reload_due:
            self._reload({app: self._table.apps.get(app) for app in slow})

    def _certify(self, now: float) -> None:
        """Bring in what etcd wants of certificates otherwise than it is."""
        certificates = self._certificates
        if certificates is None or not certificates.pending:
            return
        certificates.tell(self._haproxy.runtime)
        if not certificates.needs_reload or now < self._reload_due:
            return
        began = time.monotonic()
        try:
            certificates.reload(self._serving.reread)
        except HaproxyRefused as error:
            log.error("reload_refused", error=str(error))
        ended = time.monotonic()
        self._reload_due = ended + max(RELOAD_PAUSE, ended - began)

    def _certifying(self) -> bool:
        """Whether certificates are not served as wanted yet."""
        return self._certificates is not None and self._certificates.pending

    def _reload(self, wanted: Mapping[App, Wanted | None]) -> None:
        began = time.monotonic()
        try:
            self._serving.reload(wanted)
        except HaproxyRefused as error:
            # each of them passed by itself, so it is about HAProxy as a whole: the others go on, these wait
            log.error("reload_refused", error=str(error))
            self._reload_due = time.monotonic() + self._next_pause()
            for app in wanted:
                self._serving.refused[app] = str(error)
                self._refusal(app)
            return
        ended = time.monotonic()
        self._reload_due = ended + max(RELOAD_PAUSE, ended - began)
        log.info("reloaded", apps=len(wanted), seconds=round(ended - began, 3))
        for app in wanted:
            if app not in self._serving.backends:
                self._places.forget(".".join(app))
            self._done(app)

    def _done(self, app: App) -> None:
        """It is served as wanted."""
        self._touched.pop(app, None)
        self._looked.add(app)
        self._refusal(app)

    def _refusal(self, app: App) -> None:
        wanted = self._table.apps.get(app)
        refused = "; ".join(filter(None, (wanted.refused if wanted else "", self._serving.refused.get(app, ""))))
        if refused != self._refusals.pop(app, ""):
            self._changed.add(app)
        if refused:
            self._refusals[app] = refused

    def _report(self) -> None:
        """Tell etcd what is new."""
        if self._answers is None or not self._synced:
            return
        for app in self._changed:
            probes, refused = self._probes.seen.get(app, {}), self._refusals.get(app, "")
            revision = self._touched.get(app, self._table.revision)
            self._answers.report(app, Report(revision, probes, refused) if probes or refused else None)
        self._changed.clear()
        for name, why in self._certificates.news().items() if self._certificates is not None else ():
            report = Report(self._table.revision, refused=why) if why else None
            self._answers.report((discovery.CERTIFICATES, name), report)
        busy = self._touched or self._serving.in_doubt or self._looked or self._certifying()
        if not busy and self._opening is None:
            self._answers.applied(self._table.revision, self._table.epoch)

    def _end_checks(self, app: App, wanted: Wanted | None) -> None:
        """Check no more what is not wanted, or not with this config; HAProxy itself does the latter anew."""
        checked = self._checks.instances(app)
        if not checked:
            return
        served = self._serving.backends.get(app)
        config = wanted.config if wanted is not None else None
        stays = config and served and shape(config) == shape(served.config)
        for instance in checked:
            endpoint = wanted.endpoints.get(instance) if wanted is not None and stays else None
            if not may_serve(endpoint):
                self._checks.end(app, instance)

    def _arrived(self, app: App, endpoint: Endpoint, config: AppConfig, host: str) -> None:
        self._checks.begin(app, endpoint, config, host, time.monotonic())

    def _trouble(self, error: HaproxyError, now: float) -> None:
        log.warning("haproxy_trouble", error=str(error), retry=self._retry_pause)
        self._serving.in_doubt = True
        self._retry_due = now + self._next_pause()

    def _next_pause(self) -> float:
        pause, self._retry_pause = self._retry_pause, min(self._retry_pause * 2, RETRY_MOST)
        return pause

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

    def _read_hints(self) -> None:
        names = set()
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_HINTS):
                names.add(hinted(self._hints.recv(LONGEST_HINT).decode(errors="replace")))
        self._looked |= self._apps(name for name in names if name is not None)

    def _apps(self, names: Iterable[str]) -> set[App]:
        apps = {(group, app) for group, _, app in (name.partition(".") for name in names)}
        return apps & self._serving.backends.keys()


def _kept(serving: Serving) -> dict[App, Wanted]:
    """What was served before, as if etcd had said so."""
    return {
        app: Wanted(each.config, {held.instance: held for held in each.slots if held is not None})
        for app, each in serving.backends.items()
    }


def _hints(folder: Folder) -> socket.socket:
    """Where HAProxy logs to. It fills abstract names up with zeros to their full length."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    channel.bind(f"\0{folder.hints}".encode().ljust(108, b"\0"))
    return channel
