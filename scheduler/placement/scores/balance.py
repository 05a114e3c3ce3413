from __future__ import annotations

import numpy as np

from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class BalanceScore(Score):
    """Takes as many points as the free shares of CPU and memory then differ: neither is left stranded."""

    name = "balance"

    def points(self, view: View) -> Ints:
        free = view.free()[:2] - view.need[:2, None]
        shares = free * FULL // np.maximum(view.pick(self.state.allocatable[:2]), 1)
        points: Ints = -np.abs(shares[0] - shares[1])
        return points
