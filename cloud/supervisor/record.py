"""The record of a running Berth, in `<home>/run/supervisor.json`: for `status`, `down`, and the next `up`.

It is written whole and moved into place, so that a reader never sees half of it. What it says of a process is
believed only while that very process lives (`Identity`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cloud.supervisor.identity import Identity, boot


def path(run: Path) -> Path:
    return run / "supervisor.json"


def write(run: Path, record: dict[str, Any]) -> None:
    """Replace the record; the boot that its start times belong to is added."""
    staged = path(run).with_suffix(".new")
    staged.write_text(json.dumps({**record, "boot": boot()}, indent=1))
    staged.replace(path(run))


def read(run: Path) -> dict[str, Any]:
    """The last record, or an empty one."""
    try:
        found: dict[str, Any] = json.loads(path(run).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found


def living(record: dict[str, Any], entry: dict[str, Any]) -> Identity | None:
    """The process of one entry of `record`, if it still lives."""
    if entry.get("pid") is None or entry.get("started") is None:
        return None
    identity = Identity(entry["pid"], entry["started"], record.get("boot", ""))
    return identity if identity.alive else None


def supervisor(record: dict[str, Any]) -> Identity | None:
    """The supervisor that wrote the record, if it still lives."""
    return living(record, record.get("supervisor", {}))


def orphans(record: dict[str, Any]) -> list[tuple[str, Identity]]:
    """Living children of a supervisor, newest kind first: the order in which to end them."""
    entries = [(entry["name"], living(record, entry)) for entry in reversed(record.get("processes", []))]
    return [(name, identity) for name, identity in entries if identity is not None]
