"""What HAProxy serves, and how that becomes something else.

A change is in the files before HAProxy is told of it, so that whatever dies on the way, the files are never behind what
runs. Files that need a reload are checked before they take the place of others, and put back when the reload fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from scheduler.discovery import AppConfig
from scheduler.edge import haproxy as program
from scheduler.edge import render
from scheduler.edge.backend import App, Backend, may_serve, server
from scheduler.edge.folder import Folder, write
from scheduler.edge.haproxy import Haproxy
from scheduler.edge.plan import Change, change, deviation
from scheduler.edge.sockets import HaproxyGone, HaproxyRefused, Standing, standings
from scheduler.edge.staging import Staging
from scheduler.edge.state import Wanted
from scheduler.model import Endpoint

Up = Collection[tuple[str, str]]  # (backend, instance) of servers that are up
Arrived = Callable[[App, Endpoint, AppConfig, str], None]  # the last: the Host that its checks name

log = structlog.get_logger(__name__)


class Serving:
    """The apps as files and HAProxy have them."""

    def __init__(
        self,
        folder: Folder,
        haproxy: Haproxy,
        bind: str,
        arrived: Arrived,
        https_bind: str = "",
        proxies: Collection[str] = (),
    ) -> None:
        self.backends: dict[App, Backend] = {}
        self.refused: dict[App, str] = {}  # why HAProxy would not have an app's config
        self.in_doubt = False  # HAProxy may not have what the files say
        self._folder, self._haproxy, self._bind, self._arrived = folder, haproxy, bind, arrived
        self._https_bind, self._proxies = https_bind, proxies
        self._staging = Staging(folder, bind)

    def load(self) -> None:
        """Read back what was served before; a file that nobody can read is dropped, etcd has what was in it."""
        for path in sorted(self._folder.conf.glob("[!.]*.*.cfg")):
            name = path.name.removesuffix(".cfg")
            try:
                backend = render.read_backend(name, path.read_text())
            except (ValueError, KeyError, TypeError, OSError) as error:
                log.warning("app_file_unreadable", app=name, error=str(error))
                path.unlink()
                continue
            self.backends[backend.group, backend.app] = backend

    def begin(self) -> bool:
        """Serve what was served before with the HAProxy that runs; False: none does. Raises `HaproxyRefused`."""
        self._folder.routes.touch()
        self._folder.checks.touch()
        self._folder.canaries.touch()
        stale = self._refresh()
        if not self._haproxy.adopt():
            return False
        log.info("haproxy_adopted", apps=len(self.backends))
        if stale or self._folder.reloading.exists():
            self._reload()
        else:
            self.align()
        return True

    def fill(self, wanted: Mapping[App, Wanted | None]) -> None:
        """Bring in these apps while there is no HAProxy, and have every endpoint of all apps checked."""
        self._swap(self._checked(wanted))
        for backend in self.backends.values():
            for held in backend.slots:
                if held is not None and may_serve(held):
                    self._arrive(backend, held)

    def _refresh(self) -> bool:
        """Write those files that this version of the agent writes differently; says whether there were any."""
        files = {
            self._folder.app_file(each.name): render.backend(each, self._folder) for each in self.backends.values()
        }
        base = self._base()
        stale = {path: text for path, text in files.items() if path.read_text() != text}
        if not self._folder.base.exists() or self._folder.base.read_text() != base:
            staged = self._folder.staged / self._folder.base.name
            write(staged, base)
            program.check([staged])
            stale[self._folder.base] = base
        if stale:
            self._folder.reloading.touch()
        for path, text in stale.items():
            write(path, text)
        return bool(stale)

    def _base(self) -> str:
        routes = (route for each in self.backends.values() for route in each.config.routes)
        return render.base(
            self._folder,
            self._bind,
            program.user(),
            self._proxies,
            https_bind=self._https_bind,
            https_only=self._folder.https_only.exists() and self._folder.https_only.stat().st_size > 0,
            extensions=any(route.extensions for route in routes),
        )

    def start(self, up: Up) -> None:
        """Start HAProxy on the files; servers in `up` serve at once. Raises `HaproxyRefused`, `HaproxyGone`."""
        self._prepare(up)
        try:
            self._haproxy.start()
        except HaproxyRefused as error:
            bad = self._staging.unusable(self.backends)
            if not bad:
                raise
            log.error("apps_refused", error=str(error), apps=["/".join(app) for app in bad])
            for app, reason in bad.items():
                self._folder.app_file(self.backends.pop(app).name).unlink(missing_ok=True)
                self.refused[app] = reason
            self._haproxy.start()
        self._folder.reloading.unlink(missing_ok=True)
        self.in_doubt = False
        log.info("haproxy_started", apps=len(self.backends))

    def tell(self, wanted: Change) -> None:
        """A change that takes no reload. Raises `HaproxyGone`; the files have it then all the same."""
        assert wanted.after is not None  # noqa: S101 - that would take a reload
        write(self._folder.app_file(wanted.after.name), render.backend(wanted.after, self._folder))
        self.backends[wanted.app] = wanted.after
        asks = self._asks(wanted.after.name, wanted.checks())
        self._tell([*asks, *self._shares(wanted.canaries()), *wanted.commands()])
        self._announce(wanted)

    def reload(self, wanted: Mapping[App, Wanted | None]) -> None:
        """Bring in all these apps with one reload. Of an app that HAProxy refuses the config stays as it was.

        Raises `HaproxyRefused` when nothing has changed, `HaproxyGone` when the files are as wanted and nobody reads
        them.
        """
        changes = self._checked(wanted)
        slow = [each for each in changes if each.needs_reload]
        for each in changes:
            if not each.needs_reload:
                self.tell(each)
        if not slow:
            return
        before = dict(self.backends)
        self._swap(slow)
        try:
            self._reload()
        except HaproxyRefused:
            self.backends = before
            self._swap([Change(each.app, each.after, each.before) for each in slow])
            self._folder.reloading.unlink(missing_ok=True)
            raise
        for each in slow:
            self._announce(each)

    def reread(self) -> None:
        """Have HAProxy read files that are not an app's. Raises `HaproxyRefused`, `HaproxyGone`."""
        self._reload()

    def align(self) -> None:
        """Compare HAProxy with the files and tell it what it missed. Raises `HaproxyGone`, `HaproxyRefused`."""
        found: dict[str, dict[str, Standing]] = {}
        for standing in standings(self._haproxy.runtime.servers()):
            found.setdefault(standing.backend, {})[standing.server] = standing
        differences = {app: deviation(each, found.get(each.name, {})) for app, each in self.backends.items()}
        strange = found.keys() - {each.name for each in self.backends.values()}
        if strange or None in differences.values():
            self._reload()
            return
        self.in_doubt = False
        for app, difference in differences.items():
            each = self.backends[app]
            if difference is not None and (shares := self._shares(each.canaries())):
                self._tell(shares)  # what its maps hold is not in its servers' state
            if difference is not None and difference.commands:
                log.warning("haproxy_realigned", app="/".join(app))
                paths = [(server(n), each.check(held)) for n, held in enumerate(each.slots) if held is not None]
                self._tell([*self._asks(each.name, paths), *difference.commands])
                for endpoint in difference.arrivals:
                    self._arrive(self.backends[app], endpoint)

    def health_up(self, app: App, endpoint: Endpoint) -> None:
        """The endpoint's first check has passed: HAProxy need not wait for its own."""
        backend = self.backends.get(app)
        if backend is not None and endpoint in backend.slots:
            at = f"{backend.name}/{server(backend.slots.index(endpoint))}"
            self._tell([f"set server {at} health up"])

    def _checked(self, wanted: Mapping[App, Wanted | None]) -> list[Change]:
        """What is to change, as far as HAProxy will have it; what it refuses is noted."""
        changes = [change(app, of, self.backends.get(app)) for app, of in wanted.items()]
        changes, bad = self._staging.checked(changes, wanted, self.backends)
        for app in wanted:
            self.refused.pop(app, None)
        self.refused |= bad
        return changes

    def _swap(self, changes: Iterable[Change]) -> None:
        """Put staged files, or for want of one what is rendered, in place of those that there are."""
        self._folder.reloading.touch()
        for each in changes:
            if each.after is None:
                if each.before is not None:
                    self._folder.app_file(each.before.name).unlink(missing_ok=True)
                self.backends.pop(each.app, None)
                continue
            staged = self._folder.staged_file(each.after.name)
            if not staged.exists():
                write(staged, render.backend(each.after, self._folder))
            staged.replace(self._folder.app_file(each.after.name))
            self.backends[each.app] = each.after

    def _reload(self) -> None:
        self._folder.reloading.touch()
        self._prepare(self._up_now())
        self._haproxy.reload()
        self._folder.reloading.unlink(missing_ok=True)
        self.in_doubt = False

    def _prepare(self, up: Up) -> None:
        """The files that a new worker reads beside those of the apps."""
        write(self._folder.base, self._base())
        write(self._folder.routes, render.routes(self.backends.values()))
        write(self._folder.checks, render.checks(self.backends.values()))
        write(self._folder.canaries, render.canaries(self.backends.values()))
        write(self._folder.states, render.states(self.backends.values(), up))

    def _up_now(self) -> Up:
        """Which instances the serving worker has up, wherever it has them."""
        places = {(each.backend, each.place) for each in standings(self._haproxy.runtime.servers())
                  if each.up and not each.spare}  # fmt: skip
        return {
            (backend.name, held.instance)
            for backend in self.backends.values()
            for held in backend.slots
            if held is not None and (backend.name, f"{held.address}:{held.port}") in places
        }

    def _asks(self, name: str, paths: Iterable[tuple[str, str]]) -> list[str]:
        """What to tell HAProxy so that these servers' health checks ask for these paths."""
        return [f"set map {self._folder.checks} {name}/{of} {path}" for of, path in paths]

    def _shares(self, values: Mapping[str, str]) -> list[str]:
        """What to tell HAProxy so that canaries get what these entries of their map say."""
        return [f"set map {self._folder.canaries} {key} {value}" for key, value in values.items()]

    def _tell(self, commands: list[str]) -> None:
        if not commands:
            return
        try:
            said = self._haproxy.runtime.tell(commands)
        except HaproxyGone:
            self.in_doubt = True
            raise
        if said:
            self.in_doubt = True
            log.error("haproxy_command_refused", answer=said[0], count=len(said))

    def _announce(self, done: Change) -> None:
        for endpoint in done.arrivals():
            if done.after is not None:
                self._arrive(done.after, endpoint)

    def _arrive(self, backend: Backend, endpoint: Endpoint) -> None:
        app = (backend.group, backend.app)
        with contextlib.suppress(OSError):
            self._arrived(app, endpoint, backend.config, render.check_host(backend))
