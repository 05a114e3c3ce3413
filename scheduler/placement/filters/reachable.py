"""Which values of a label an app can get to at all while other apps decide where it may run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.placement.filters.base import CountFilter, DomainFilter, Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools


class Reachable:
    """The values of `label` with a node that is eligible and that no confining filter refuses.

    The nodes are looked at in stretches of equal values (see `State.layout`). A filter that looks at single nodes wants
    to be with another app: it leaves open the values that have an instance of that.
    """

    def __init__(self, state: State, label: str, eligible: Bools, confining: Sequence[Filter]) -> None:
        self.size = len(state.column(label).values)
        self.domains = [one for one in confining if isinstance(one, DomainFilter)]
        layout = state.layout(tuple(dict.fromkeys([label, *(one.label for one in self.domains)])))
        self.open: Bools = np.logical_or.reduceat(eligible[layout.order], layout.starts)
        self.of = layout.codes[label]
        self.codes = layout.codes
        self.tallies = [state.counts.tally(one.app, label) for one in confining if isinstance(one, CountFilter)]

    def values(self) -> Bools:
        open_ = self.open
        for domain in self.domains:
            open_ = open_ & domain.allowed().take(self.codes[domain.label])
        found = np.zeros(self.size, np.bool_)
        found[self.of[open_]] = True
        found[-1] = False  # nodes without the label
        for tally in self.tallies:
            found &= tally > 0
        return found
