from __future__ import annotations

from scheduler.placement.scores.base import Score, instance_share
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class BinpackScore(Score):
    """The mean share of the node's CPU and memory that is reserved then: the fullest node first."""

    name = "binpack"
    slack_sign = -1

    def fixed(self, view: View) -> Ints:
        return instance_share(view)

    def points(self, view: View) -> Ints:
        return -view.slack()
