from __future__ import annotations

import numpy as np

from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View

_MIB = 20  # bits: memory is compared in MiB, so that products fit


class StrandedScore(Score):
    """Takes points for the CPU or memory that the placement strands, `FULL` for as much as a mean node has.

    What is free on a node is useful as far as it is in the proportion in which the cluster's CPU and memory are
    reserved; what is left over of either is stranded. The score is by how much an instance adds to that, so it can give
    points too.
    """

    name = "stranded"
    learns = True

    def points(self, view: View) -> Ints:
        free = view.free()[:2]
        points: Ints = self._stranded(free) - self._stranded(free - view.need[:2, None])
        return points

    def _stranded(self, free: Ints) -> Ints:
        cpu, memory = self.state.workload.mix
        if not cpu or not memory:
            return np.zeros(free.shape[1], np.int64)
        by_cpu, by_memory = np.maximum(free[0], 0), np.maximum(free[1] >> _MIB, 0)
        # the cores that go with what is free of memory, and the other way round
        cores, mib = by_memory * cpu // memory, by_cpu * memory // cpu
        mean_cpu, mean_memory = self.state.mean_node
        lost: Ints = np.maximum(by_cpu - cores, 0) * FULL // mean_cpu
        lost += np.maximum(by_memory - mib, 0) * FULL // (mean_memory >> _MIB)
        return lost
