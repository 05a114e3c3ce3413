"""Why a placement went as it did: every filter's verdict on every node, with its figures.

The verdicts are kept as columns, and put into words for the nodes that someone asks about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.placement.filters import Check
from scheduler.placement.state import FULL
from scheduler.placement.types import Bools, Ints
from scheduler.reasons import Reason, because, joined

THOUSAND = 1000  # what `FULL` points are shown as


class Verdict(NamedTuple):
    """What one filter says of one node. `detail` has the figures: "memory: needs 512 MiB, 300 MiB free of 4 GiB".

    A tuple, as the next, since hundreds of them are made at a time.
    """

    filter: str
    subject: str  # the resource, expression or rule it is about
    fits: bool
    detail: Reason

    def as_dict(self) -> dict[str, Any]:
        return {"filter": self.filter, "subject": self.subject, "fits": self.fits, "detail": self.detail.as_dict()}


class ScoreReport(NamedTuple):
    """`points` are thousandths; `weight` times `points` is what the score adds to the node's total."""

    name: str
    subject: str  # what it is about, where there are several of a name
    weight: int
    points: int
    detail: Reason | None  # the figures behind the points: "12.3 MiB to fetch"; None where there is no more to say

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.subject,
            "weight": self.weight,
            "points": self.points,
            "detail": self.detail.as_dict() if self.detail else "",
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

    `remedy` is the smallest change of this sort by which one more instance would fit; None when, on every node,
    something else stands in the way as well.
    """

    filter: str
    subject: str
    nodes: int
    alone: int
    detail: Reason  # "memory short on 2 (needs 512 MiB, at most 300 MiB free)"
    remedy: Reason | None  # "212 MiB less memory (on node a)"

    def as_dict(self) -> dict[str, Any]:
        return {
            "filter": self.filter,
            "subject": self.subject,
            "nodes": self.nodes,
            "alone": self.alone,
            "detail": self.detail.as_dict(),
            "remedy": self.remedy.as_dict() if self.remedy else "",
        }


@dataclass(frozen=True, slots=True)
class Points:
    """What one score gives each node: points of `FULL`, and the figures behind them by the node's position."""

    name: str
    subject: str
    weight: int
    of: Ints
    detail: Callable[[int], Reason | None]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`nodes` are positions in `names`."""

    wanted: int
    placed: int
    names: Sequence[str]
    checks: tuple[Check, ...]
    points: tuple[Points, ...]  # one a score
    shortages: tuple[Shortage, ...]  # empty when nothing is pending; most frequent first
    together: Reason | None  # changes to one node that have to come together; None when one alone would do
    new_node: Reason | None  # what a node that joins would have to have; None when none would do

    @property
    def pending(self) -> int:
        return self.wanted - self.placed

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """The reports on all nodes. On a large cluster, ask for those of interest only."""
        return tuple(self._reports(list(range(len(self.names)))))

    def node(self, name: str) -> NodeReport:
        """Raises `KeyError` when the placement was not given such a node."""
        try:
            return next(self._reports([list(self.names).index(name)]))
        except ValueError:
            raise KeyError(name) from None

    def _reports(self, nodes: list[int]) -> Iterator[NodeReport]:
        fits = [check.passes[nodes].tolist() for check in self.checks]
        of = [(points.of[nodes] * THOUSAND // FULL).tolist() for points in self.points]
        for at, n in enumerate(nodes):
            verdicts = [Verdict(c.filter, c.subject, fits[k][at], c.detail(n)) for k, c in enumerate(self.checks)]
            scores = [
                ScoreReport(points.name, points.subject, points.weight, of[k][at], points.detail(n))
                for k, points in enumerate(self.points)
            ]
            yield NodeReport(self.names[n], tuple(verdicts), tuple(scores))

    @property
    def remedies(self) -> tuple[Reason, ...]:
        """What would make one more instance fit, each on its own: "212 MiB less memory (on node a)"."""
        alone = [shortage.remedy for shortage in self.shortages]
        return tuple(remedy for remedy in (*alone, self.together, self.new_node) if remedy)

    def summary(self) -> Reason:
        """One line for the panel."""
        if not self.pending:
            return because("all_placed", placed=self.placed)
        if not self.names:
            return because("no_nodes")
        against = tuple(shortage.detail for shortage in self.shortages)
        none = because("none_fits", nodes=len(self.names), shortages=against)
        return because("some_placed", placed=self.placed, wanted=self.wanted, others=none) if self.placed else none

    def as_dict(self, limit: int = 50) -> dict[str, Any]:
        """JSON, with reasons as they are stored.

        At most `limit` nodes: the best, then those with the fewest reasons against.
        """
        return {
            "summary": self.summary().as_dict(),
            "wanted": self.wanted,
            "placed": self.placed,
            "pending": self.pending,
            "shortages": [shortage.as_dict() for shortage in self.shortages],
            "remedies": [remedy.as_dict() for remedy in self.remedies],
            "nodes": [report.as_dict() for report in self._reports(self._most_interesting(limit))],
            "nodes_in_all": len(self.names),
        }

    def _most_interesting(self, limit: int) -> list[int]:
        size = len(self.names)
        total = np.zeros(size, np.int64)
        for points in self.points:
            total += points.weight * points.of
        order = np.lexsort((-total, _against(self.checks, size)))  # is stable, so that equal ones stay in order
        most: list[int] = order[:limit].tolist()
        return most


def shortages(checks: Sequence[Check], size: int) -> tuple[Shortage, ...]:
    """Per check that some node fails, how often and how often alone; most frequent first."""
    against = _against(checks, size)
    found = []
    for check in checks:
        failing: Bools = ~check.passes
        if failing.any():
            nodes, alone = np.flatnonzero(failing), np.flatnonzero(failing & (against == 1))
            remedy = check.remedy(alone) if len(alone) else None
            found.append(Shortage(check.filter, check.subject, len(nodes), len(alone), check.failing(nodes), remedy))
    return tuple(sorted(found, key=lambda shortage: (-shortage.nodes, -shortage.alone)))


def least_changes(checks: Sequence[Check], size: int) -> Reason | None:
    """What has to change on the node with the fewest reasons against it; None when some node has but one."""
    against = _against(checks, size)
    if not size or against.min() < 2:
        return None
    n = int(against.argmin())
    changes = (check.remedy(np.array([n])) for check in checks if not check.passes[n])
    return joined("both", [change for change in changes if change])


def _against(checks: Sequence[Check], size: int) -> NDArray[np.int16]:
    """How many of the checks each node fails."""
    against = np.zeros(size, np.int16)
    for check in checks:
        against += ~check.passes
    return against
