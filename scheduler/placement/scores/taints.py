from __future__ import annotations

import numpy as np

from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class TaintScore(Score):
    """Takes `FULL` points from a node for each of its soft taints that is not tolerated."""

    name = "taints"

    def fixed(self, view: View) -> Ints | None:
        tolerations = self.request.constraints.tolerations
        points = np.zeros(self.state.size, np.int64)
        for taint, nodes in self.state.taints().items():
            if taint.soft and not any(toleration.tolerates(taint) for toleration in tolerations):
                points[nodes] -= FULL
        return view.pick(points) if points.any() else None
