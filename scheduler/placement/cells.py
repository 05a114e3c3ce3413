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
_STEPS = 256  # nodes of a cell that are passed over before the kind's own keys are the better way


class Cells:
    """The partition of the nodes, for one version of their fixed properties."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.generation = 0
        self.rankings: dict[int, Ranking] = {}
        self._split(np.zeros(state.size, np.int64))

    @property
    def most(self) -> int:
        """Cells that are kept at most: more would cost more to search than they save."""
        return max(64, self.state.size // 16)

    def refine(self, differences: list[Ints]) -> bool:
        """Make cells so fine that all of these figures are the same within each; false when that takes too many."""
        differences = [figures for figures in differences if (figures[self.first][self.of] != figures).any()]
        if not differences:
            return True
        parts = self.parts
        for figures in differences:
            codes = np.unique(figures, return_inverse=True)[1]
            parts = np.unique(parts * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
        if int(parts.max(initial=0)) + 1 > self.most:
            return False
        self._split(parts)
        return True

    def _split(self, parts: Ints) -> None:
        """Take over a partition: each part is a cell, or several when it is large."""
        self.parts = parts
        order = np.argsort(parts, kind="stable")
        starts = np.flatnonzero(np.diff(parts[order], prepend=-1))
        within = np.arange(self.state.size) - starts[parts[order]] if self.state.size else order
        finer = np.empty_like(parts)
        finer[order] = parts[order] * (self.state.size // _LARGEST + 1) + within // _LARGEST
        first, codes = np.unique(finer, return_index=True, return_inverse=True)[1:]
        self.of: Ints = codes
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
        self.counts = [kind.state.counts.of[app] for app in kind.terms]
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
        """Go through the nodes, best first, until one is plain: down the best cell until another one is better."""
        ranking, weight = self.ranking, self.weight
        least = highest + self.relief  # below this, a node with a count that matters may be better
        depth: dict[int, int] = {}  # cell -> how many of its nodes, from the end, are not plain
        self.steps, self.counted = 0, False
        while self.steps < _STEPS:
            cell = int(keys.argmax())
            key = int(keys[cell])
            if self.counted and key < least:
                return UNKNOWN
            if key <= FEASIBLE:
                return -1
            entries = ranking.entries[cell]
            at = len(entries) - 1 - depth.get(cell, 0)
            fixed = key - ranking.key(entries[at], weight)
            keys[cell] = NEVER
            rival = int(keys.max())
            # an entry below this has a key below the rival's
            at, n = self._next_plain(entries, at, (rival - fixed) // weight - ranking.ranks)
            keys[cell] = key = fixed + ranking.key(entries[at], weight) if at >= 0 else NEVER
            if n >= 0 and key >= rival:
                return UNKNOWN if self.counted and key < least else n
            depth[cell] = len(entries) - 1 - at
        return UNKNOWN

    def _next_plain(self, entries: list[int], at: int, limit: int) -> tuple[int, int]:
        """The first entry from `at` downwards that is of a plain node, with that node; or where to go on, and -1."""
        mask, size, rows, asked = self.ranking.ranks - 1, self.ranking.size, self.kind.state.rows, self.asked
        begun = at
        for at in range(begun, -1, -1):
            entry = entries[at]
            if entry < limit:
                break
            n = size - (entry & mask)
            for counts in self.counts:
                if n in counts:
                    self.counted = True
                    break
            else:
                free = rows[n]
                for r, need in asked:
                    if free[r] < need:
                        break
                else:
                    self.steps += begun - at
                    return at, n
        else:
            at = -1
        self.steps += begun - at
        return at, -1
