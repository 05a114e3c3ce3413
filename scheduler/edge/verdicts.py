"""HAProxy's statistics read as verdicts on instances. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from scheduler.edge.backend import Slots, server
from scheduler.model import Probe

UP = ("UP", "DRAIN", "NOLB", "no check")
PASSED = ("L7OK", "L4OK")
IN_WORDS = 100  # signs of a check's outcome that are kept
HINT = re.compile(r"(?:Health check for s|S)erver ([a-z0-9.-]+)/s\d+ ")


@dataclass(frozen=True, slots=True)
class Row:
    """One server as one HAProxy process shows it."""

    backend: str
    server: str
    place: str  # address:port
    up: bool
    spare: bool  # in maintenance
    draining: bool
    check: str  # L7OK, L4CON …; INI: not checked yet
    detail: str  # the check's outcome in HAProxy's words
    sessions: int


def rows(stat: str) -> list[Row]:
    """The servers in the answer to `show stat`."""
    reader = csv.DictReader(stat.lstrip("# ").splitlines())
    return [_row(line) for line in reader if line.get("type") == "2"]


def _row(line: Mapping[str, str]) -> Row:
    check = line["check_status"].removeprefix("* ")
    code = line["check_code"]
    known = code not in ("", "0")  # 0: the next check is under way already
    words = [f"{check}/{code}" if known else check, line["last_chk"] or ""]
    if check in (*PASSED, "INI"):
        words.pop()
    detail = "".join(sign for sign in " ".join(filter(None, words)) if sign.isprintable())[:IN_WORDS]
    return Row(
        line["pxname"],
        line["svname"],
        line["addr"],
        line["status"].startswith(UP),
        line["status"].startswith("MAINT"),
        line["status"].startswith("DRAIN"),
        check or "INI",
        detail or "INI",
        int(line["scur"] or 0),
    )


def judge(
    edge: str, slots: Slots, found: Iterable[Row], lingering: Iterable[Row], before: Mapping[str, Probe], now: datetime
) -> dict[str, Probe]:
    """The verdict on each instance that a slot holds; one whose server is missing from `found` keeps its last.

    `lingering` are the servers of workers that finish what they had begun before a reload: their sessions count too.
    A verdict that stays keeps its `since`; what is said of it changes only when there is more to say.
    """
    by_name = {row.server: row for row in found}
    left = list(lingering)
    probes = {}
    for number, held in enumerate(slots):
        if held is None:
            continue
        last, row = before.get(held.instance), by_name.get(server(number))
        if row is None or row.place != f"{held.address}:{held.port}" or row.spare:
            probes[held.instance] = last or Probe(edge, False, now, "INI")
            continue
        sessions = 0
        if held.draining:
            sessions = row.sessions + sum(old.sessions for old in left if old.place == row.place)
        stays = last is not None and last.up == row.up
        since = last.since if last is not None and stays else now
        detail = last.detail if last is not None and stays and not _tells_more(row, last) else _detail(row)
        probes[held.instance] = Probe(edge, row.up, since, detail, sessions)
    return probes


def _detail(row: Row) -> str:
    """What to say of a verdict that is new; a check that ended otherwise does not explain it."""
    return row.detail if (row.check in PASSED) is row.up else ""


def _tells_more(row: Row, last: Probe) -> bool:
    """Whether a check of a server that stays down says something else than the one before; no check says nothing."""
    return not row.up and row.check not in (*PASSED, "INI") and not last.detail.startswith(row.detail)


def hinted(line: str) -> str | None:
    """The backend that a line of HAProxy's log is about, if it is about a server's health."""
    found = HINT.search(line)
    return found[1] if found else None
