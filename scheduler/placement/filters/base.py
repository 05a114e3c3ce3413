"""What a filter is: a hard constraint, asked of every node, that gives its figures when it says no: as reasons.

A new filter is a class in a file of its own that is named in `filters/__init__.py`; the sentences of its reasons are in
`scheduler/reasons/placement.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason, because


@dataclass(frozen=True, slots=True)
class Check:
    """One question to all nodes, for explanations. `nodes` below are positions in the state's order."""

    filter: str
    subject: str  # what it is about: a resource, an expression, a rule
    passes: Bools
    detail: Callable[[int], Reason]  # one node's figures: "memory: needs 512 MiB, 300 MiB free of 4 GiB"
    failing: Callable[[Ints], Reason]  # those nodes in one phrase: "memory short on 2 (needs 512 MiB, at most …)"
    remedy: Callable[[Ints], Reason | None]  # the smallest change by which one of those nodes would pass, if any


class Filter:
    """One constraint of one request. Made anew whenever a fixed property of some node changes."""

    name: ClassVar[str]
    fixed: ClassVar[bool] = False  # whether no placement changes its verdict
    slack_alone: ClassVar[bool] = False  # whether its verdict follows from what is free of CPU, memory, … alone
    repeats: ClassVar[bool] = True  # whether it knows how a node looks with `extra` more instances
    confines: bool = False  # whether where apps run decides by it which part of the cluster is open to the request

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        """One filter for each constraint of this sort that the request has."""
        raise NotImplementedError

    def passes(self, view: View) -> Bools:
        """The verdict on each of the view's nodes, which depends on nothing but the node itself."""
        raise NotImplementedError

    def possible(self, view: View) -> Bools | None:
        """The verdict if nothing ran on the nodes; None when all of them would pass then."""
        return self.passes(view) if self.fixed else None

    def checks(self, view: View) -> Iterator[Check]:
        """The same with reasons; the view is of all nodes."""
        raise NotImplementedError

    def watched(self) -> set[str]:
        """The apps whose counts it reads."""
        return set()


class CountFilter(Filter):
    """A constraint whose verdict on a node follows from how many instances of `app` it has, and from nothing else."""

    app: str

    def refuses(self, counts: Ints) -> Bools:
        """The verdict for nodes with so many instances: whether one more of the request is refused."""
        raise NotImplementedError

    def passes(self, view: View) -> Bools:
        return ~self.refuses(view.count(self.app))

    def watched(self) -> set[str]:
        return {self.app}


class DomainFilter(Filter):
    """A constraint whose verdict is the same for all nodes with one value of `label`."""

    label: str

    def __init__(self, state: State) -> None:
        self.state = state

    def settle(self, eligible: Bools, confining: Sequence[Filter]) -> None:
        """Hear which nodes could ever take an instance, and which filters confine the request."""

    def allowed(self) -> Bools:
        """The verdict for each value in the label's column; the last is for nodes without the label."""
        raise NotImplementedError

    def welcomes(self) -> bool:
        """The verdict for a value that no node has yet."""
        return True

    def passes(self, view: View) -> Bools:
        passes: Bools = self.allowed()[view.pick(self.state.column(self.label).codes)]
        return passes

    def value(self, n: int) -> str | Reason:
        """ "zone a", or that node `n` has no such label."""
        column = self.state.column(self.label)
        value = column.values[column.codes[n]]
        return because("no_label", label=self.label) if value is None else f"{self.label} {value}"
