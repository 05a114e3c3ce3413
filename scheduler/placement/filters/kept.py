from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from scheduler.placement.filters.base import Check, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


class KeptFilter(Filter):
    """Not where instances make room for something that matters more: they would have gone for nothing."""

    name = "kept"
    fixed = True

    def __init__(self, state: State, names: frozenset[str]) -> None:
        self.nodes = state.nodes
        self.open = np.ones(state.size, np.bool_)
        self.open[[state.index[name] for name in names if name in state.index]] = False

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        if request.kept:
            yield cls(state, request.kept)

    def passes(self, view: View) -> Bools:
        return view.pick(self.open)

    def checks(self, view: View) -> Iterator[Check]:
        yield Check(
            self.name,
            "kept",
            self.passes(view),
            lambda n: because("kept"),
            lambda nodes: because("all_kept", nodes=len(nodes)),
            self._remedy,
        )

    def _remedy(self, nodes: Ints) -> Reason:
        return because("kept_no_longer", node=self.nodes[nodes[0]].name)
