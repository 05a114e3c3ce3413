from __future__ import annotations

import numpy as np

from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.view import View

_LARGE = 1 << 30  # bytes; fetching more than this is as bad as it gets
_SMALL = 1 << 26  # what an image of unknown size is taken for


class ImageScore(Score):
    """Takes points by the bytes that the node would have to fetch, `FULL` for 1 GiB and more."""

    name = "image"

    def image(self) -> str:
        return self.request.image

    def fixed(self, view: View) -> Ints | None:
        image = self.request.image
        if not image:
            return None
        cost = FULL * min(self.request.image_bytes or _SMALL, _LARGE) // _LARGE
        missing: Ints = ~view.pick(self.state.has_image(image)) * np.int64(-cost)
        return missing
