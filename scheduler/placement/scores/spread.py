from __future__ import annotations

from collections.abc import Iterator

from scheduler.model import Distinct
from scheduler.placement.labels import NODE
from scheduler.placement.scores.base import CountScore, DomainScore, Score
from scheduler.placement.state import FULL, State
from scheduler.placement.types import Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View


class SpreadScore(CountScore):
    """Takes `FULL` points for each instance of the app that the node has already.

    The points do not shrink as the counts grow: the hundredth instance is spread as strictly as the second.
    """

    name = "spread"

    def __init__(self, state: State, request: Request) -> None:
        super().__init__(state, request)
        self.app = request.app

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Score]:  # type: ignore[override]
        labels = dict.fromkeys(request.rules.spread)
        if request.rules.distinct_nodes is Distinct.PREFERRED:
            labels[NODE] = None
        for label in labels:
            yield cls(state, request) if label == NODE else SpreadOverLabelScore(state, request, label)

    def subject(self, view: View) -> str:
        return NODE

    def count_points(self, counts: Ints) -> Ints:
        return counts * -FULL


class SpreadOverLabelScore(DomainScore):
    """Takes `FULL` points for each instance of the app that nodes with the same value of a label have already."""

    name = "spread"

    def __init__(self, state: State, request: Request, label: str) -> None:
        super().__init__(state, request)
        self.label = label
        self.tally = state.counts.tally(request.app, label)

    def subject(self, view: View) -> str:
        return self.label

    def domain_points(self) -> Ints:
        return self.tally * -FULL

    def watched(self) -> set[str]:
        return {self.request.app}
