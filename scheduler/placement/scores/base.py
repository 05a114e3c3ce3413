"""What a score is: points for each node that fits, which the profile weighs and adds up.

Points are whole numbers; `FULL` is as much as a score gives or takes, except where it counts instances: then `FULL`
for each. A new score is a class in a file of its own that is named in `scores/__init__.py`; what it says of its
figures is in `scheduler/reasons/placement.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Self

import numpy as np

from scheduler.placement.filters import Filter
from scheduler.placement.state import State
from scheduler.placement.types import Bools, Ints
from scheduler.placement.values import Request
from scheduler.placement.view import View
from scheduler.reasons import Reason


class Score:
    """One preference of one request. Made anew whenever a fixed property of some node changes."""

    name: ClassVar[str]
    slack_sign: ClassVar[int] = 0  # 1 or -1 when `points` are the view's slack, times that
    learns: ClassVar[bool] = False  # whether its points change with what is typical
    repeats: ClassVar[bool] = True  # whether it knows how a node looks with `extra` more instances

    @classmethod
    def of(cls, state: State, request: Request) -> Iterator[Self]:
        """One score for each preference of this sort that the request has."""
        yield cls(state, request)

    def __init__(self, state: State, request: Request) -> None:
        self.state = state
        self.request = request

    def fixed(self, view: View) -> Ints | None:
        """The part of the points that no placement changes."""
        return None

    def points(self, view: View) -> Ints | None:
        """The part of the points that depends on what runs on the node itself."""
        return None

    def subject(self, view: View) -> str:
        """What it is about, for explanations, where there are several of its sort. The view is of all nodes."""
        return ""

    def details(self, view: View) -> Callable[[int], Reason | None]:
        """For explanations, the figures behind a node's points, where these do not say it. The view is of all nodes."""
        return lambda n: None

    def watched(self) -> set[str]:
        """The apps whose counts it reads."""
        return set()

    def image(self) -> str:
        """The image of which it matters where it is; empty: none."""
        return ""


class CountScore(Score):
    """A preference whose points for a node follow from how many instances of `app` it has alone."""

    app: str

    def count_points(self, counts: Ints) -> Ints:
        """The points of nodes with so many instances."""
        raise NotImplementedError

    def points(self, view: View) -> Ints:
        """For explanations; placements look at a node's points again when its count changes only."""
        return self.count_points(view.count(self.app))

    def watched(self) -> set[str]:
        return {self.app}


class DomainScore(Score):
    """A preference that gives all nodes with one value of `label` the same points."""

    label: str

    def settle(self, eligible: Bools, confining: Sequence[Filter]) -> None:
        """Hear which nodes could ever take an instance, and which filters confine the request."""

    def domain_points(self) -> Ints:
        """The points of each value in the label's column; the last is for nodes without the label."""
        raise NotImplementedError

    def points(self, view: View) -> Ints:
        """For explanations; placements use `domain_points` and look at each value once."""
        points: Ints = self.domain_points()[view.pick(self.state.column(self.label).codes)]
        return points


def named(score: Score, view: View, names: frozenset[str], points: int) -> Ints | None:
    """`points` for the nodes of these names, none for the others."""
    if not names:
        return None
    by_name = np.zeros(score.state.size, np.int64)
    by_name[[score.state.index[name] for name in names if name in score.state.index]] = points
    return view.pick(by_name)


def instance_share(view: View) -> Ints:
    """The mean share of CPU, memory and devices that one instance is of each node."""
    devices = sum(device.count * device.share for device in view.request.constraints.devices)
    one_of_each, shape_of = view.state.shapes()
    cpu, memory, wanted = (np.full(len(one_of_each), figure) for figure in (view.need[0], view.need[1], devices))
    return view.state.mean_share(cpu, memory, one_of_each, wanted).take(view.pick(shape_of))
