"""A database is taken for what it is before it decides what may live."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from django.db import connection

from apps.installation.models import Installation
from apps.installation.services import Found, WrongDatabase, check, claim, look, recall

pytestmark = pytest.mark.django_db

OURS = "0a1b2c"
NEW = Found(new=True, label="", epoch="")
FROM_BEFORE = Found(new=False, label="", epoch="")  # an older version made it
CLAIMED = Found(new=False, label=OURS, epoch="one")


@pytest.mark.parametrize(
    ("found", "remembered", "been_up"),
    [
        (NEW, "", False),  # the first start
        (FROM_BEFORE, "", True),  # the first start of this version
        (CLAIMED, "one", True),
        (CLAIMED, "", False),  # restored beside an older backup of the home, or none
    ],
)
def test_the_right_database_is_taken(found: Found, remembered: str, been_up: bool) -> None:
    check(found, OURS, remembered, 3 if not found.new else 0, been_up=been_up)


@pytest.mark.parametrize(
    ("found", "remembered", "been_up", "containers", "why"),
    [
        (NEW, "one", True, 0, "was up with another one.*restore it.*down --all"),
        (NEW, "", True, 0, "was up with another one"),
        (NEW, "", False, 3, r"3 containers of this Berth \(0a1b2c\)"),
        (FROM_BEFORE, "one", True, 0, "not the one.*secrets/database"),  # migrated by hand, and empty
        (Found(False, OURS, "two"), "one", True, 0, "not the one"),
        (Found(False, "ffffff", "one"), "one", True, 0, "belongs to the installation ffffff"),
        (Found(False, "ffffff", "one"), "", False, 0, "belongs to the installation ffffff"),
    ],
)
def test_a_database_that_would_cost_what_runs_is_refused_with_the_ways_out(
    found: Found, remembered: str, been_up: bool, containers: int, why: str
) -> None:
    with pytest.raises(WrongDatabase, match=why):
        check(found, OURS, remembered, containers, been_up=been_up)


def test_a_claimed_database_says_whose_it_is_and_is_remembered_by_the_owner_alone(tmp_path: Path) -> None:
    assert look() == FROM_BEFORE
    claim(OURS, tmp_path)
    found = look()
    assert (found.label, found.epoch) == (OURS, recall(tmp_path))
    assert len(found.epoch) == 32
    assert stat.S_IMODE((tmp_path / "database").stat().st_mode) == 0o600


def test_claiming_again_changes_nothing_of_it(tmp_path: Path) -> None:
    claim(OURS, tmp_path)
    epoch = recall(tmp_path)
    claim("ffffff", tmp_path)
    assert (look().label, look().epoch, recall(tmp_path)) == (OURS, epoch, epoch)


def test_a_database_from_before_there_was_a_table_for_it_can_be_looked_at() -> None:
    with connection.cursor() as cursor:  # the test's transaction takes it back
        cursor.execute(f"DROP TABLE {Installation._meta.db_table}")
    assert look() == FROM_BEFORE
