"""What the loop does to an engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler import effects
from scheduler.engine.base import LogLine

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Logged:
    """An engine that lists what was written to one stream after what was written to the other."""

    def logs(self, container: str, *, tail: int) -> list[LogLine]:
        said = [(0, "starting 1"), (2, "starting 2"), (1, "no config"), (3, "no config")]
        return [LogLine(NOON + timedelta(seconds=at), "stdout", text) for at, text in said]


def test_last_words_are_in_the_order_in_which_they_were_said() -> None:
    engine: Any = Logged()
    assert effects.last_lines(engine, "web").splitlines() == ["starting 1", "no config", "starting 2", "no config"]
