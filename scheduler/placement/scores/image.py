from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scheduler.placement.scores.base import Score
from scheduler.placement.state import FULL
from scheduler.placement.types import Ints
from scheduler.placement.units import amount
from scheduler.placement.view import View
from scheduler.reasons import Reason, because

_LARGE = 1 << 30  # bytes; fetching more than this is as bad as it gets
_USUAL = 1 << 26  # bytes; what an image of unknown size is taken for


class ImageScore(Score):
    """Takes points by the bytes that the node would have to fetch, `FULL` for 1 GiB and more."""

    name = "image"

    def image(self) -> str:
        return self.request.image

    def fixed(self, view: View) -> Ints | None:
        image = self.request.image
        if not image:
            return None
        cost = FULL * min(self.state.image_size(image) or _USUAL, _LARGE) // _LARGE
        missing: Ints = ~view.pick(self.state.has_image(image)) * np.int64(-cost)
        return missing

    def details(self, view: View) -> Callable[[int], Reason | None]:
        image = self.request.image
        if not image:
            return super().details(view)
        there = view.pick(self.state.has_image(image)).copy()
        size = self.state.image_size(image)
        if not there.any():
            return lambda n: because("image_nowhere")
        here = because("image_here")
        fetch = because("image_to_fetch", size=amount("disk", size)) if size else because("image_unknown")
        return lambda n: here if there[n] else fetch
