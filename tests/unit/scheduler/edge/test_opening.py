"""When an edge that starts fills its files."""

from __future__ import annotations

import pytest

from scheduler.discovery import EPOCH
from scheduler.edge.opening import SYNC_WITHIN, Opening
from scheduler.edge.state import Table, Wanted
from scheduler.etcd_base import Snapshot

BEGAN = 100.0
EARLY, LATE = BEGAN + SYNC_WITHIN / 2, BEGAN + SYNC_WITHIN


def table(kept: bool, epoch: str | None) -> Table:
    """`epoch` None: etcd was not read."""
    made = Table({("team", "shop"): Wanted()} if kept else {})
    if epoch is not None:
        made.replace(Snapshot({EPOCH: epoch} if epoch else {}, 7))
    return made


@pytest.mark.parametrize(
    ("kept", "epoch", "now", "may"),
    [
        (False, "e1", BEGAN, True),  # etcd has all: at once
        (True, "e1", BEGAN, True),
        (False, "", EARLY, False),  # it may get more in a moment
        (True, "", EARLY, False),
        (False, "", LATE, True),  # a new installation whose loop does not run
        (True, "", LATE, True),
        (True, None, EARLY, False),  # etcd does not answer
        (True, None, LATE, True),  # and there is something to serve
        (False, None, LATE, False),  # and there is nothing
    ],
)
def test_files_are_filled_once_etcd_was_read_or_does_not_answer_in_time(
    kept: bool, epoch: str | None, now: float, may: bool
) -> None:
    assert Opening(BEGAN).may_fill(table(kept, epoch), epoch is not None, now) is may
