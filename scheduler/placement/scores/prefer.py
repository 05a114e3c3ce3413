from __future__ import annotations

import numpy as np

from scheduler.placement.labels import parse
from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View


class PreferScore(Score):
    """`FULL` points in all for the expressions of `prefer`, in equal parts."""

    name = "prefer"

    def fixed(self, view: View) -> Ints | None:
        masks = [self.state.mask(parse(text)) for text in self.request.rules.prefer]
        if not masks:
            return None
        met: Ints = np.sum([mask.take(view.nodes) for mask in masks], axis=0) * FULL // len(masks)
        return met
