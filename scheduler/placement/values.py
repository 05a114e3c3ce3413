"""What goes into a placement and what comes out of it. Units are those of `scheduler.model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scheduler.model import PlacementRules, Resources

if TYPE_CHECKING:
    from scheduler.placement.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Node:
    """What the placement sees of a node.

    `reserved` is what all of its instances have claimed, those that are going away included: their room is not free
    yet. `apps` counts the instances that stay, by the app's key.
    """

    name: str
    labels: Mapping[str, str]
    state: str  # ready, cordoned, down
    allocatable: Resources
    reserved: Resources
    images: frozenset[str] = frozenset()  # digests that are present
    apps: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """`count` equal instances of one app, by its key in `Node.apps`."""

    app: str
    group: str
    resources: Resources  # of one instance
    count: int
    rules: PlacementRules
    image: str = ""  # digest
    avoid: frozenset[str] = frozenset()  # names of nodes it just failed on: least preferred, not forbidden


@dataclass(frozen=True, slots=True)
class Decision:
    """One node's name per placed instance, in order; shorter than the request's count when not all fit."""

    nodes: tuple[str, ...]
    explanation: Explanation
