from __future__ import annotations

from scheduler.placement.scores.base import Score, named
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class AvoidScore(Score):
    """Takes `FULL` points from the nodes on which the app just failed."""

    name = "avoid"

    def fixed(self, view: View) -> Ints | None:
        return named(self, view, self.request.avoid, -FULL)
