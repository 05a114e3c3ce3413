"""Nodes that no kind can tell apart but by how full they are, kept in that order.

Most kinds look at a node's labels, state and size, at how full it is, and at the few nodes that have instances of some
app. So nodes with the same fixed properties form a cell, sorted once for all kinds. For a kind every node of a cell has
the same fixed points, and the fullest or emptiest of a cell is its best unless it is too small or has a count that
matters; then the next one is. A placement moves one node within its cell, for however many kinds there are.

Cells are made finer when a kind comes that sees a difference within one. What cannot be answered here (a score of
another sort, a best node that may be one with a count that matters) is answered by the kind's own keys, alike.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

import numpy as np

from scheduler.placement.keys import FEASIBLE, NEVER
from scheduler.placement.types import Ints

if TYPE_CHECKING:
    from scheduler.placement.kind import Kind
    from scheduler.placement.state import State

UNKNOWN = -2
_LARGEST = 512  # nodes in a cell: what an insertion has to move
_STEPS = 48  # nodes of a cell that are passed over before the kind's own keys are the better way


class Cells:
    """The partition of the nodes, for one version of their fixed properties."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.generation = 0
        self.of: Ints = np.zeros(state.size, np.int64)
        self.count = 1
        self.rankings: dict[int, Ranking] = {}
        self._split(self.of)

    @property
    def most(self) -> int:
        """Cells that are kept at most: more would cost more to search than they save."""
        return max(64, self.state.size // 16)

    def refine(self, differences: list[Ints]) -> bool:
        """Make cells so fine that all of these figures are the same within each; false when that takes too many."""
        differences = [figures for figures in differences if (figures[self.first][self.of] != figures).any()]
        if not differences:
            return True
        combined = self.of
        for figures in differences:
            codes = np.unique(figures, return_inverse=True)[1]
            combined = np.unique(combined * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
        if int(combined.max(initial=0)) + 1 > self.most:
            return False
        self._split(combined)
        return True

    def _split(self, cells: Ints) -> None:
        """Take over a partition, its large cells cut."""
        order = np.argsort(cells, kind="stable")
        starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
        within = np.arange(self.state.size) - starts[cells[order]] if self.state.size else order
        finer = np.empty_like(cells)
        finer[order] = cells[order] * (self.state.size // _LARGEST + 1) + within // _LARGEST
        first, codes = np.unique(finer, return_index=True, return_inverse=True)[1:]
        self.of = codes
        self.of_list: list[int] = codes.tolist()
        self.first: Ints = first  # one node of each cell
        self.count = len(first)
        self.generation += 1
        self.rankings.clear()

    def ranking(self, sign: int) -> Ranking:
        found = self.rankings.get(sign)
        if found is None:
            found = self.rankings[sign] = Ranking(self, sign)
        return found

    def moved(self, n: int, before: int, after: int) -> None:
        """Note that node `n`'s slack has changed."""
        for ranking in self.rankings.values():
            ranking.moved(n, before, after)


class Ranking:
    """The nodes of each cell, sorted by slack times `sign`; of equal ones the first by name comes last.

    An entry is `sign * slack * ranks + size - n`.
    """

    def __init__(self, cells: Cells, sign: int) -> None:
        state = cells.state
        self.cells = cells
        self.sign = sign
        self.ranks, self.size = state.ranks, state.size
        entries = sign * state.slack * state.ranks + np.arange(state.size, 0, -1)
        order = np.lexsort((entries, cells.of))
        bounds = [*np.flatnonzero(np.diff(cells.of[order], prepend=-1)).tolist(), state.size]
        in_order = entries[order].tolist()
        self.entries: list[list[int]] = [in_order[bounds[c] : bounds[c + 1]] for c in range(cells.count)]
        self.tops: dict[int, Ints] = {}

    def top_keys(self, weight: int) -> Ints:
        """For each cell, what the best node's slack and rank add to its key; kept up to date."""
        found = self.tops.get(weight)
        if found is None:
            found = np.array([self.key(entries[-1], weight) for entries in self.entries], np.int64)
            self.tops[weight] = found
        return found

    def key(self, entry: int, weight: int) -> int:
        rank = entry & (self.ranks - 1)
        return weight * (entry - rank) + rank

    def moved(self, n: int, before: int, after: int) -> None:
        if before == after:
            return
        cell = self.cells.of_list[n]
        entries = self.entries[cell]
        rank = self.size - n
        scale = self.sign * self.ranks
        top = entries[-1]
        del entries[bisect_left(entries, scale * before + rank)]
        insort(entries, scale * after + rank)
        now = entries[-1]
        if now != top:
            for weight, tops in self.tops.items():
                tops[cell] = self.key(now, weight)


class Search:
    """A kind's way of looking at the cells."""

    def __init__(self, kind: Kind, cells: Cells, sign: int, weight: int) -> None:
        self.kind = kind
        self.cells = cells
        self.sign = sign
        self.weight = weight
        self.generation = -1
        self.need: list[int] = kind.need.tolist()
        self.asked = [(r, need) for r, need in enumerate(self.need) if need > 0]
        none = np.zeros(1, np.int64)
        self.counts = [kind.state.apps[app] for app in kind.terms]
        # the best that a count which matters can do to a key: less than nothing, or there is no telling
        counted = np.arange(1, 3)
        self.relief = max((int(term(counted).max()) for term in kind.terms.values()), default=0)
        self.sound = all(not term(none).any() for term in kind.terms.values()) and (self.relief < 0 or not kind.terms)

    def prepare(self) -> bool:
        """Find the fixed points of each cell; false when the kind's own keys have to be used."""
        fixed, cells, kind = self.kind.fixed_keys(), self.cells, self.kind
        labels = kind.labels
        if not cells.refine([fixed, *(kind.state.column(label).codes for label in labels)]):
            return False
        self.generation = cells.generation
        self.fixed: Ints = fixed[cells.first]
        self.codes = {label: kind.state.column(label).codes[cells.first] for label in labels}
        self.ranking = cells.ranking(self.sign)
        self.tops = self.ranking.top_keys(self.weight)
        return True

    def best(self) -> int:
        """The node for one more instance, -1 when none fits, `UNKNOWN` when the kind's own keys have to be asked."""
        if self.generation != self.cells.generation and not self.prepare():
            return UNKNOWN
        keys: Ints = self.fixed + self.tops
        kind = self.kind
        for weight, score in kind.domain_scores:
            keys += weight * score.domain_points().take(self.codes[score.label])
        for domain in kind.domain_filters:
            keys = np.where(domain.allowed().take(self.codes[domain.label]), keys, NEVER)
        cell = int(keys.argmax())
        highest = int(keys[cell])
        if highest <= FEASIBLE:
            return -1
        n = self._last(cell)
        if self._plain(n):
            return n
        return self._search(keys, highest)

    def _last(self, cell: int) -> int:
        entries = self.ranking.entries[cell]
        return self.ranking.size - (entries[-1] & (self.ranking.ranks - 1))

    def _plain(self, n: int) -> bool:
        """Whether an instance fits and no count on the node matters."""
        for counts in self.counts:
            if n in counts:
                return False
        free = self.kind.state.rows[n]
        for r, need in self.asked:  # noqa: SIM110  # this runs once a placement
            if free[r] < need:
                return False
        return True

    def _search(self, keys: Ints, highest: int) -> int:
        """Go down the cells, best first, until a node is plain."""
        ranking, mask, size = self.ranking, self.ranking.ranks - 1, self.ranking.size
        counted = False
        steps = 0
        settled: set[int] = set()  # cells whose key is that of a node that is known to be plain
        candidates: dict[int, int] = {}
        while True:
            cell = int(keys.argmax())
            key = int(keys[cell])
            if counted and key < highest + self.relief:
                return UNKNOWN  # a node with a count that matters may be better
            if key <= FEASIBLE:
                return -1
            if cell in settled:
                return candidates[cell]
            base = key - ranking.key(ranking.entries[cell][-1], self.weight)
            keys[cell] = NEVER
            for entry in reversed(ranking.entries[cell]):
                n = size - (entry & mask)
                if self._plain(n):
                    keys[cell] = base + ranking.key(entry, self.weight)
                    settled.add(cell)
                    candidates[cell] = n
                    break
                counted = counted or any(n in counts for counts in self.counts)
                steps += 1
                if steps > _STEPS:
                    return UNKNOWN
