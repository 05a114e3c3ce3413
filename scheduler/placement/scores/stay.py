from __future__ import annotations

from scheduler.placement.scores.base import Score, named
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class StayScore(Score):
    """`FULL` points for the nodes where the instances to be replaced run: least movement on an update."""

    name = "stay"

    def fixed(self, view: View) -> Ints | None:
        return named(self, view, self.request.stay, FULL)
