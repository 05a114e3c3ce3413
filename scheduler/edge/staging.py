"""Apps' files before they take the place of others: which of them HAProxy would not have, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from scheduler.edge import haproxy as program
from scheduler.edge import render
from scheduler.edge.backend import App, Backend
from scheduler.edge.folder import Folder, write
from scheduler.edge.plan import Change, to_be
from scheduler.edge.ports import free
from scheduler.edge.sockets import HaproxyRefused
from scheduler.edge.state import Wanted

log = structlog.get_logger(__name__)


class Staging:
    def __init__(self, folder: Folder, bind: str) -> None:
        """`bind`: where HAProxy takes requests, an address and a port."""
        self._folder, self._address = folder, bind.rpartition(":")[0]

    def checked(
        self,
        changes: Iterable[Change],
        wanted: Mapping[App, Wanted | None],
        served: Mapping[App, Backend],
    ) -> tuple[list[Change], dict[App, str]]:
        """The changes with those that HAProxy refuses replaced: the config before with the endpoints of now; and why.

        The files of the changes are staged.
        """
        changes = list(changes)
        bad = self._culprits(self._stage(changes)) | self._without_port(changes, served)
        checked = []
        for each in changes:
            if each.app in bad:
                log.error("app_refused", app="/".join(each.app), error=bad[each.app])
                of = wanted[each.app]
                if of is None or each.before is None:
                    continue
                each = Change(each.app, each.before, to_be(each.app, of, each.before.config, each.before))
                self._stage([each])
            checked.append(each)
        return checked, bad

    def unusable(self, served: Mapping[App, Backend]) -> dict[App, str]:
        """Those apps with whose files, as they are served, HAProxy does not start, and why."""
        bad = self._culprits({app: self._folder.app_file(each.name) for app, each in served.items()})
        for app, each in served.items():
            if (port := each.config.tcp_port) and not free(port, self._address):
                bad[app] = taken(port)
        return bad

    def _without_port(self, changes: Iterable[Change], served: Mapping[App, Backend]) -> dict[App, str]:
        """Those apps that cannot have their port: HAProxy as a whole would not start with one of them."""
        refused = {}
        owners = {each.config.tcp_port: app for app, each in served.items()}
        for each in changes:
            port = each.after.config.tcp_port if each.after is not None else 0
            if not port or owners.get(port) == each.app:
                continue
            if port in owners:
                refused[each.app] = f"port {port} is {'/'.join(owners[port])}'s"
            elif not free(port, self._address):
                refused[each.app] = taken(port)
            else:
                owners[port] = each.app
        return refused

    def _stage(self, changes: Iterable[Change]) -> dict[App, Path]:
        staged = {}
        for each in changes:
            if each.after is not None and each.needs_reload:
                staged[each.app] = self._folder.staged_file(each.after.name)
                write(staged[each.app], render.backend(each.after, self._folder))
        return staged

    def _culprits(self, files: Mapping[App, Path]) -> dict[App, str]:
        """Those apps whose own files HAProxy refuses, and why: halved until they are found."""
        if not files:
            return {}
        try:
            program.check([self._folder.base, *files.values()])
        except HaproxyRefused as error:
            if len(files) == 1:
                return {app: str(error) for app in files}
            apps = list(files)
            half = len(apps) // 2
            return self._culprits({app: files[app] for app in apps[:half]}) | self._culprits(
                {app: files[app] for app in apps[half:]}
            )
        return {}


def taken(port: int) -> str:
    return f"port {port} is taken on this machine"
