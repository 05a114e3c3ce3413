"""Why a placement went as it did: every filter's verdict on every node, with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
class Score:
    """`points` are thousandths; `weight` times `points` is what the score adds to the node's total."""

    name: str
    weight: int
    points: int

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "weight": self.weight, "points": self.points}


@dataclass(frozen=True, slots=True)
class NodeReport:
    """How one node looked to the last instance that was placed, or to the next one when some are pending."""

    node: str
    verdicts: tuple[Verdict, ...]
    scores: tuple[Score, ...]

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
    """One reason why instances are pending: on how many nodes it holds, and on how many it alone stands in the way."""

    filter: str
    subject: str
    nodes: int
    alone: int
    detail: str  # "memory short on 2 (needs 512 MiB, at most 300 MiB free)"

    def as_dict(self) -> dict[str, Any]:
        return {
            "filter": self.filter,
            "subject": self.subject,
            "nodes": self.nodes,
            "alone": self.alone,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    wanted: int
    placed: int
    nodes: tuple[NodeReport, ...]
    shortages: tuple[Shortage, ...]  # empty when nothing is pending; most frequent first

    @property
    def pending(self) -> int:
        return self.wanted - self.placed

    def node(self, name: str) -> NodeReport:
        """Raises `KeyError` when the placement was not given such a node."""
        for report in self.nodes:
            if report.node == name:
                return report
        raise KeyError(name)

    def summary(self) -> str:
        """One line for the panel."""
        if not self.pending:
            return f"{self.placed} placed"
        if not self.nodes:
            return "there are no nodes"
        fits = f"0 of {len(self.nodes)} nodes fit: " + ", ".join(shortage.detail for shortage in self.shortages)
        return f"{self.placed} of {self.wanted} placed, then {fits}" if self.placed else fits

    def as_dict(self) -> dict[str, Any]:
        """For the API; JSON alone."""
        return {
            "summary": self.summary(),
            "wanted": self.wanted,
            "placed": self.placed,
            "pending": self.pending,
            "shortages": [shortage.as_dict() for shortage in self.shortages],
            "nodes": [report.as_dict() for report in self.nodes],
        }
