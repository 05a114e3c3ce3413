"""`--once --noop`: what the agent would do, in words. Reads etcd and the folder and changes neither."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler import discovery
from scheduler.edge import render
from scheduler.edge.backend import App, Backend
from scheduler.edge.folder import Folder
from scheduler.edge.plan import change
from scheduler.edge.state import Table, Wanted
from scheduler.etcd_base import Store


def lines(folder: Folder, store: Store) -> Iterator[str]:
    """One line a step, apps in their order. Raises `EtcdError`."""
    served = _served(folder)
    kept = {app: Wanted(b.config, {held.instance: held for held in b.slots if held}) for app, b in served.items()}
    table = Table(kept)
    touched = table.replace(store.read(discovery.APPS))
    done = False
    for app in sorted(touched):
        wanted = table.apps.get(app)
        planned = change(app, wanted, served.get(app))
        name = "/".join(app)
        if wanted is not None and wanted.refused:
            yield f"{name}: refused: {wanted.refused}"
        steps = [f"reload: {planned.why()}"] if planned.needs_reload else planned.commands()
        yield from (f"{name}: {step}" for step in steps)
        done = done or bool(steps)
    if not done:
        yield f"nothing to do at revision {table.revision}"


def _served(folder: Folder) -> dict[App, Backend]:
    served = {}
    for path in sorted(folder.conf.glob("[!.]*.*.cfg")):
        try:
            backend = render.read_backend(path.name.removesuffix(".cfg"), path.read_text())
        except (ValueError, KeyError, TypeError, OSError):
            continue
        served[backend.group, backend.app] = backend
    return served
