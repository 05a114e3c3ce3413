"""Does this database belong to what runs on the engines?

Whatever carries Berth's label and is not in the database is removed as an orphan. With the wrong database, a new one
above all, that would be every container there is. So a database knows whose it is, and Berth remembers, beside its
other secrets, which one it was up with.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps.installation.models import Installation

REMEMBERED = "database"  # below secrets/: the epoch of the database that this Berth was up with


class WrongDatabase(Exception):
    """Going on would remove what runs. The message says why, and the ways out."""


@dataclass(frozen=True, slots=True)
class Found:
    """A database before anything is done to it."""

    new: bool  # nothing was ever made in it
    label: str  # of the installation that it belongs to; empty: it does not say
    epoch: str


def look() -> Found:
    """Read whose database this is, whatever version of Berth made it."""
    row = None
    if Installation._meta.db_table in connection.introspection.table_names():
        row = Installation.objects.first()
    new = not MigrationRecorder(connection).applied_migrations()
    return Found(new, row.label if row else "", row.epoch if row else "")


def check(found: Found, label: str, remembered: str, containers: int, *, been_up: bool) -> None:
    """Raise `WrongDatabase` unless this is the database of the Berth labelled `label`.

    `remembered` is the epoch that it was up with last (empty: from before there were epochs, or never), `containers`
    how many of its containers run on this machine. First match wins.
    """
    lost = "If it got lost, restore it from a backup; to begin anew without the apps: ./berth down --all"
    if found.label and found.label != label:
        raise WrongDatabase(
            f"the database belongs to the installation {found.label}, and this Berth is {label}: give it a database "
            "of its own, or restore the BERTH_HOME/secrets that belong to this one"
        )
    if found.new and (remembered or been_up):
        raise WrongDatabase(f"the database is new, and this Berth was up with another one. {lost}")
    if found.new and containers:
        raise WrongDatabase(
            f"the database is new, and {containers} containers of this Berth ({label}) are on the engine, which would "
            f"be removed. {lost}"
        )
    if remembered and found.epoch != remembered:
        raise WrongDatabase(
            "the database is not the one that this Berth was up with last. If it is to take that one's place, remove "
            f"BERTH_HOME/secrets/{REMEMBERED}: then what runs and is not in it is removed"
        )


def claim(label: str, folder: Path) -> None:
    """Say in the database whose it is, unless it says so, and remember it below `folder`. The tables are there."""
    row, _ = Installation.objects.get_or_create(id=1, defaults={"label": label, "epoch": secrets.token_hex(16)})
    path = folder / REMEMBERED
    if recall(folder) != row.epoch:
        staged = path.with_suffix(".new")
        staged.touch(mode=0o600)
        staged.write_text(f"{row.epoch}\n")
        staged.replace(path)


def recall(folder: Path) -> str:
    """The epoch of the database that this Berth was up with last; empty when none is known."""
    try:
        return (folder / REMEMBERED).read_text().strip()
    except FileNotFoundError:
        return ""
