from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scheduler.placement.labels import NODE
from scheduler.placement.scores.base import CountScore, DomainScore, Score
from scheduler.placement.state import FULL, State
from scheduler.placement.types import Ints
from scheduler.placement.values import Affinity, Bond, Request


class AffinityScore(CountScore):
    """`FULL` points for being on a node with an app that is liked, and as many less with one that is disliked."""

    name = "affinity"

    def __init__(self, state: State, request: Request, liked: Affinity) -> None:
        super().__init__(state, request)
        self.app = liked.app
        self.gain = _gain(liked)

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Score]:  # type: ignore[override]
        for liked in request.likes:
            sort = cls if liked.label == NODE else DomainAffinityScore
            yield sort(state, request, liked)

    def count_points(self, counts: Ints) -> Ints:
        return (counts > 0) * self.gain


class DomainAffinityScore(DomainScore):
    """The same for nodes with the same value of a label."""

    name = "affinity"

    def __init__(self, state: State, request: Request, liked: Affinity) -> None:
        super().__init__(state, request)
        self.app = liked.app
        self.label = liked.label
        self.tally = state.tally(liked.app, liked.label)
        self.gain = _gain(liked)

    def domain_points(self) -> Ints:
        points: Ints = (self.tally > 0) * self.gain
        points[-1] = 0
        return points

    def watched(self) -> set[str]:
        return {self.app}


def _gain(liked: Affinity) -> np.int64:
    return np.int64(FULL if liked.bond is Bond.WITH else -FULL)
