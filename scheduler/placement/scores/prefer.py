from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from scheduler.model import Distinct, PlacementRules
from scheduler.placement.filters import WISHES, CountFilter, DomainFilter, Filter
from scheduler.placement.scores.base import CountScore, DomainScore, Score
from scheduler.placement.state import FULL, State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Preference, Request
from scheduler.placement.view import View

_NOTHING = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)


class PreferScore(Score):
    """`FULL` points are shared by all that is preferred, by weight; what a node does not meet takes its share.

    Any hard constraint can be preferred: the filter is the same. Here its verdict is one that no placement changes.
    """

    name = "prefer"

    def __init__(self, state: State, request: Request, wish: Filter, share: int) -> None:
        super().__init__(state, request)
        self.wish = wish
        self.share = share

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Score]:  # type: ignore[override]
        preferences = [*(Preference(require=(text,)) for text in request.rules.prefer), *request.preferences]
        wishes = [
            (preference.weight, wish) for preference in preferences for wish in _wishes(state, request, preference)
        ]
        total = sum(weight for weight, _ in wishes)
        for weight, wish in wishes:
            yield _sort_of(wish)(state, request, wish, FULL * weight // total)

    def fixed(self, view: View) -> Ints | None:
        return self.cost(~self.wish.passes(view)) if self.wish.fixed else None

    def subject(self, view: View) -> str:
        return next(self.wish.checks(view)).subject

    def cost(self, unmet: Bools) -> Ints:
        cost: Ints = unmet * np.int64(-self.share)
        return cost

    def watched(self) -> set[str]:
        return self.wish.watched()


class PreferByNodeScore(PreferScore):
    """The same for what depends on what runs on the node."""

    def __init__(self, state: State, request: Request, wish: Filter, share: int) -> None:
        super().__init__(state, request, wish, share)
        self.repeats = wish.repeats  # type: ignore[misc]

    def points(self, view: View) -> Ints:
        return self.cost(~self.wish.passes(view))


class PreferByCountScore(PreferScore, CountScore):
    """The same for what follows from how many instances of an app the node has."""

    wish: CountFilter

    def __init__(self, state: State, request: Request, wish: CountFilter, share: int) -> None:
        super().__init__(state, request, wish, share)
        self.app = wish.app

    def count_points(self, counts: Ints) -> Ints:
        return self.cost(self.wish.refuses(counts))


class PreferByDomainScore(PreferScore, DomainScore):
    """The same for what is alike on all nodes with one value of a label."""

    wish: DomainFilter

    def __init__(self, state: State, request: Request, wish: DomainFilter, share: int) -> None:
        super().__init__(state, request, wish, share)
        self.label = wish.label

    def settle(self, eligible: Bools, confining: Sequence[Filter]) -> None:
        self.wish.settle(eligible, confining)

    def domain_points(self) -> Ints:
        return self.cost(~self.wish.allowed())


def _sort_of(wish: Filter) -> type[PreferScore]:
    match wish:
        case CountFilter():
            return PreferByCountScore
        case DomainFilter():
            return PreferByDomainScore
        case _:
            return PreferScore if wish.fixed else PreferByNodeScore


def _wishes(state: State, request: Request, preference: Preference) -> Iterator[Filter]:
    if preference.weight < 1:
        raise ValueError(f"the weight of a preference is at least 1, not {preference.weight}")
    if preference.constraints.ports:
        raise ValueError("a port of the host is taken or it is not: it cannot be preferred")
    rules = replace(_NOTHING, require=preference.require)
    alone = replace(request, rules=rules, constraints=preference.constraints)
    for sort in WISHES:
        yield from sort.of(state, alone)
