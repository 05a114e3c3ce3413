"""How much is tried on which database.

Every story and every page is told on SQLite and again on PostgreSQL. What repeats one story many times over, with a
death at each point or with examples by the dozen, looks for faults of the loop rather than of the SQL: it does so in
full on SQLite, which is the quicker one, and on PostgreSQL at a part of the points.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

IN_FULL = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")


def points(all_of_them: Sequence[int]) -> Sequence[int]:
    """The points at which to die: all of them, or each third."""
    return all_of_them if IN_FULL else all_of_them[::3]


def examples(count: int) -> int:
    """How many examples to try: so many, or a quarter."""
    return count if IN_FULL else max(1, count // 4)
