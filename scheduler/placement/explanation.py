"""Why a placement went as it did: every filter's verdict on every node, with its figures.

The verdicts are kept as columns, and put into words for the nodes that someone asks about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scheduler.placement.filters import Check
from scheduler.placement.state import FULL
from scheduler.placement.types import Bools, Ints

THOUSAND = 1000  # what `FULL` points are shown as


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter says of one node. `detail` has the figures: "memory: needs 512 MiB, 300 MiB free of 4 GiB"."""

    filter: str
    subject: str  # the resource, expression or rule it is about
    fits: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        return {"filter": self.filter, "subject": self.subject, "fits": self.fits, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """`points` are thousandths; `weight` times `points` is what the score adds to the node's total."""

    name: str
    subject: str  # what it is about, where there are several of a name
    weight: int
    points: int
    detail: str  # the figures behind the points: "12.3 MiB to fetch"; empty where there is no more to say

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.subject,
            "weight": self.weight,
            "points": self.points,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class NodeReport:
    """How one node looked to the last instance that was placed, or to the next one when some are pending."""

    node: str
    verdicts: tuple[Verdict, ...]
    scores: tuple[ScoreReport, ...]

    @property
    def fits(self) -> bool:
        return all(verdict.fits for verdict in self.verdicts)

    @property
    def total(self) -> int:
        return sum(score.weight * score.points for score in self.scores)

    def as_dict(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "fits": self.fits,
            "total": self.total,
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
            "scores": [score.as_dict() for score in self.scores],
        }


@dataclass(frozen=True, slots=True)
class Shortage:
    """One reason why instances are pending: on how many nodes it holds, and on how many it alone stands in the way.

    `remedy` is the smallest change of this sort by which one more instance would fit; empty when, on every node,
    something else stands in the way as well.
    """

    filter: str
    subject: str
    nodes: int
    alone: int
    detail: str  # "memory short on 2 (needs 512 MiB, at most 300 MiB free)"
    remedy: str  # "212 MiB less memory (on node a)"

    def as_dict(self) -> dict[str, Any]:
        return {
            "filter": self.filter,
            "subject": self.subject,
            "nodes": self.nodes,
            "alone": self.alone,
            "detail": self.detail,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Points:
    """What one score gives each node: points of `FULL`, and the figures behind them by the node's position."""

    name: str
    subject: str
    weight: int
    of: Ints
    detail: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`nodes` are positions in `names`."""

    wanted: int
    placed: int
    names: Sequence[str]
    checks: tuple[Check, ...]
    points: tuple[Points, ...]  # one a score
    shortages: tuple[Shortage, ...]  # empty when nothing is pending; most frequent first
    together: str  # changes to one node that have to come together; empty when one alone would do, or none is pending
    new_node: str  # what a node that joins would have to have; empty when none would do, or none is pending

    @property
    def pending(self) -> int:
        return self.wanted - self.placed

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """The reports on all nodes. On a large cluster, ask for those of interest only."""
        return tuple(self._report(n) for n in range(len(self.names)))

    def node(self, name: str) -> NodeReport:
        """Raises `KeyError` when the placement was not given such a node."""
        try:
            return self._report(list(self.names).index(name))
        except ValueError:
            raise KeyError(name) from None

    def _report(self, n: int) -> NodeReport:
        verdicts = (Verdict(c.filter, c.subject, bool(c.passes[n]), c.detail(n)) for c in self.checks)
        scores = (
            ScoreReport(p.name, p.subject, p.weight, int(p.of[n]) * THOUSAND // FULL, p.detail(n)) for p in self.points
        )
        return NodeReport(self.names[n], tuple(verdicts), tuple(scores))

    @property
    def remedies(self) -> tuple[str, ...]:
        """What would make one more instance fit, each on its own: "212 MiB less memory (on node a)"."""
        alone = [shortage.remedy for shortage in self.shortages if shortage.remedy]
        return tuple(remedy for remedy in (*alone, self.together, self.new_node) if remedy)

    def summary(self) -> str:
        """One line for the panel."""
        if not self.pending:
            return f"{self.placed} placed"
        if not self.names:
            return "there are no nodes"
        fits = f"0 of {len(self.names)} nodes fit: " + ", ".join(shortage.detail for shortage in self.shortages)
        return f"{self.placed} of {self.wanted} placed, then {fits}" if self.placed else fits

    def as_dict(self, limit: int = 50) -> dict[str, Any]:
        """For the API; JSON alone. At most `limit` nodes: the best, then those with the fewest reasons against."""
        return {
            "summary": self.summary(),
            "wanted": self.wanted,
            "placed": self.placed,
            "pending": self.pending,
            "shortages": [shortage.as_dict() for shortage in self.shortages],
            "remedies": list(self.remedies),
            "nodes": [self._report(n).as_dict() for n in self._most_interesting(limit)],
            "nodes_in_all": len(self.names),
        }

    def _most_interesting(self, limit: int) -> list[int]:
        size = len(self.names)
        against = np.zeros(size, np.int64)
        for check in self.checks:
            against += ~check.passes
        total = np.zeros(size, np.int64)
        for points in self.points:
            total += points.weight * points.of
        order = np.lexsort((np.arange(size), -total, against))
        return [int(n) for n in order[:limit]]


def shortages(checks: Sequence[Check], size: int) -> tuple[Shortage, ...]:
    """Per check that some node fails, how often and how often alone; most frequent first."""
    against = np.zeros(size, np.int64)
    for check in checks:
        against += ~check.passes
    found = []
    for check in checks:
        failing: Bools = ~check.passes
        if failing.any():
            nodes, alone = np.flatnonzero(failing), np.flatnonzero(failing & (against == 1))
            remedy = check.remedy(alone) if len(alone) else ""
            found.append(Shortage(check.filter, check.subject, len(nodes), len(alone), check.failing(nodes), remedy))
    return tuple(sorted(found, key=lambda shortage: (-shortage.nodes, -shortage.alone)))


def least_changes(checks: Sequence[Check], size: int) -> str:
    """What has to change on the node with the fewest reasons against it; empty when some node has but one."""
    against = np.zeros(size, np.int64)
    for check in checks:
        against += ~check.passes
    if not size or against.min() < 2:
        return ""
    n = int(against.argmin())
    changes = (check.remedy(np.array([n])) for check in checks if not check.passes[n])
    return " and ".join(change for change in changes if change)
