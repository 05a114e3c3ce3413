"""From what etcd wants to what HAProxy serves, for the apps and certificates that differ.

A change that HAProxy takes over its socket is made at once. One that needs a reload is made at once after a quiet
time, and waits for its like while reloads come thick. What cannot be done stays to be done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from scheduler.edge.backend import App, may_serve, shape
from scheduler.edge.backoff import Backoff
from scheduler.edge.certificates import Certificates
from scheduler.edge.firstchecks import FirstChecks
from scheduler.edge.plan import change
from scheduler.edge.serving import Serving
from scheduler.edge.sockets import HaproxyRefused, Runtime
from scheduler.edge.state import Table, Wanted
from scheduler.edge.tally import Places
from scheduler.etcd_base import Changes, Snapshot

RELOAD_PAUSE = 0.1  # seconds between reloads at least, and at least as long as the last one took

log = structlog.get_logger(__name__)


class Applying:
    """`table` is what etcd wants.

    `done` is called with each app that has become served as wanted, `changed` with each whose refusal is another.
    """

    def __init__(
        self,
        serving: Serving,
        runtime: Runtime,
        certificates: Certificates | None,
        checks: FirstChecks,
        places: Places,
        done: Callable[[App], None],
        changed: Callable[[App], None],
    ) -> None:
        self.table = Table({})
        self.refusals: dict[App, str] = {}  # why not all that etcd holds of an app is served
        self._touched: dict[App, int] = {}  # not served as wanted yet, and the revision at which they still were
        self._serving, self._runtime, self._certificates = serving, runtime, certificates
        self._checks, self._places, self._done, self._changed = checks, places, done, changed
        self._reload_due = 0.0
        self._backoff = Backoff()

    def begin(self) -> None:
        """Keep what is served until etcd says otherwise."""
        kept = {
            app: Wanted(each.config, {held.instance: held for held in each.slots if held is not None})
            for app, each in self._serving.backends.items()
        }
        self.table = Table(kept)
        self._know_places()

    @property
    def pending(self) -> bool:
        """Whether something is not served as wanted yet."""
        return bool(self._touched) or self._certifying

    @property
    def due(self) -> float | None:
        """When to go on with what is pending."""
        return self._reload_due if self.pending else None

    def applied(self, app: App) -> int:
        """The revision up to which the app is served as etcd has it."""
        return self._touched.get(app, self.table.revision)

    def take(self, news: Snapshot | Changes) -> None:
        """What etcd says."""
        revision = self.table.revision
        touched = self.table.replace(news) if isinstance(news, Snapshot) else self.table.update(news)
        if self._certificates is not None:
            self._certificates.take(news)
        for app in touched:
            self._touched.setdefault(app, revision)

    def fill(self) -> None:
        """Write down what etcd wants served, for a HAProxy that starts. Raises `HaproxyRefused`."""
        wanted = {app: self.table.apps.get(app) for app in sorted(self._touched)}
        self._serving.fill(wanted)
        self._know_places()
        for app in wanted:
            self._is_done(app)
        if self._certifying and self._certificates is not None:
            self._certificates.reload(lambda: None)

    def apply(self, now: float) -> None:
        """Bring in what etcd wants otherwise than it is. Raises `HaproxyError`; what is not done then stays to be."""
        self._change(now)
        self._certify(now)

    def _change(self, now: float) -> None:
        slow = []
        for app in sorted(self._touched):
            wanted = self.table.apps.get(app)
            self._end_checks(app, wanted)
            change_ = change(app, wanted, self._serving.backends.get(app))
            if change_.after is not None:  # before it can have a request
                self._places.know(change_.after)
            if change_.needs_reload:
                slow.append(app)
                continue
            if change_.before != change_.after:
                self._serving.tell(change_)
            self._is_done(app)
        if slow and now >= self._reload_due:
            self._reload({app: self.table.apps.get(app) for app in slow})

    def _reload(self, wanted: Mapping[App, Wanted | None]) -> None:
        began = time.monotonic()
        try:
            self._serving.reload(wanted)
        except HaproxyRefused as error:
            # each of them passed by itself, so it is about HAProxy as a whole: the others go on, these wait
            log.error("reload_refused", error=str(error))
            self._reload_due = time.monotonic() + self._backoff.next()
            for app in wanted:
                self._serving.refused[app] = str(error)
                self._refusal(app)
            return
        self._backoff.reset()
        self._reloaded(began)
        log.info("reloaded", apps=len(wanted), seconds=round(time.monotonic() - began, 3))
        for app in wanted:
            if app not in self._serving.backends:
                self._places.forget(".".join(app))
            self._is_done(app)

    def _reloaded(self, began: float) -> None:
        ended = time.monotonic()
        self._reload_due = ended + max(RELOAD_PAUSE, ended - began)

    @property
    def _certifying(self) -> bool:
        return self._certificates is not None and self._certificates.pending

    def _certify(self, now: float) -> None:
        certificates = self._certificates
        if certificates is None or not certificates.pending:
            return
        certificates.tell(self._runtime)
        if not certificates.needs_reload or now < self._reload_due:
            return
        began = time.monotonic()
        try:
            certificates.reload(self._serving.reread)
        except HaproxyRefused as error:
            log.error("reload_refused", error=str(error))
        self._reloaded(began)

    def _is_done(self, app: App) -> None:
        self._touched.pop(app, None)
        self._done(app)
        self._refusal(app)

    def _refusal(self, app: App) -> None:
        wanted = self.table.apps.get(app)
        refused = "; ".join(filter(None, (wanted.refused if wanted else "", self._serving.refused.get(app, ""))))
        if refused != self.refusals.pop(app, ""):
            self._changed(app)
        if refused:
            self.refusals[app] = refused

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

    def _know_places(self) -> None:
        for backend in self._serving.backends.values():
            self._places.know(backend)
