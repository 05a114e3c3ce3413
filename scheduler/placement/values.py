"""What goes into a placement and what comes out of it. Units are those of `scheduler.model`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scheduler.model import PlacementRules, Resources

if TYPE_CHECKING:
    from scheduler.placement.explanation import Explanation

WHOLE = 1000  # thousandths of a device


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a node, of which instances may have shares: `free` of its 1000 thousandths."""

    name: str  # what it is asked for by: gpu
    model: str = ""
    free: int = WHOLE


@dataclass(frozen=True, slots=True)
class Taint:
    """What keeps instances off a node unless they tolerate it; a soft one leaves it to them as a last resort."""

    key: str
    value: str = ""
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """What the placement sees of a node.

    `reserved` is what all of its instances have claimed, those that are going away included: their room is not free
    yet. `apps` counts the instances that stay, by the app's key.
    """

    name: str
    labels: Mapping[str, str]
    state: str  # ready, cordoned, draining, down
    allocatable: Resources  # see `allocatable()`
    reserved: Resources
    images: Mapping[str, int] = field(default_factory=dict)  # bytes of those that are present, by digest; 0: not known
    apps: Mapping[str, int] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    devices: tuple[Device, ...] = ()
    ports: frozenset[int] = frozenset()  # of the host, taken
    volumes: frozenset[str] = frozenset()  # local ones that lie here


@dataclass(frozen=True, slots=True)
class Toleration:
    """Tolerates taints with this key: every value of it when `value` is None. The key "*" tolerates all taints."""

    key: str
    value: str | None = None

    def tolerates(self, taint: Taint) -> bool:
        return self.key in ("*", taint.key) and self.value in (None, taint.value)


@dataclass(frozen=True, slots=True)
class Skew:
    """Hard spread: no value of `label` may have more than `most` instances above the one that has fewest."""

    label: str
    most: int = 1


@dataclass(frozen=True, slots=True)
class AtMost:
    """No more than `most` instances on one value of `label`; the label `node` means on one node."""

    label: str
    most: int


class Bond(enum.StrEnum):
    WITH = "with"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Affinity:
    """Where `app` (a key of `Node.apps`) runs, at one node or one value of `label`: only there, or never there."""

    bond: Bond
    app: str
    label: str = "node"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """`count` devices of one name on one node, `share` thousandths of each; any model when `models` is empty."""

    name: str
    count: int = 1
    share: int = WHOLE
    models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Constraints:
    """Hard constraints beyond those of `PlacementRules`; wishes, as part of a `Preference`."""

    nodes: frozenset[str] = frozenset()  # names; empty: any
    tolerations: tuple[Toleration, ...] = ()
    skews: tuple[Skew, ...] = ()
    at_most: tuple[AtMost, ...] = ()
    affinities: tuple[Affinity, ...] = ()  # this app's own, and those of other apps that keep apart from it
    ports: frozenset[int] = frozenset()
    volumes: frozenset[str] = frozenset()  # local volumes that exist already: it has to run where they are
    devices: tuple[DeviceRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    """What is wished for and not demanded: any constraint there is, but for ports.

    `require` has expressions over labels. Each constraint that a node does not meet costs it `weight` parts of what all
    preferences of the request share.
    """

    constraints: Constraints = Constraints()
    require: tuple[str, ...] = ()
    weight: int = 1


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
    constraints: Constraints = Constraints()
    preferences: tuple[Preference, ...] = ()  # beyond `rules.prefer`, where each weighs 1
    stay: frozenset[str] = frozenset()  # names of nodes where the instances to be replaced run
    priority: int = 0
    kept: frozenset[str] = frozenset()  # names of nodes where room is being made for what matters more


@dataclass(frozen=True, slots=True)
class Decision:
    """One node's name per placed instance, in order; shorter than the request's count when not all fit.

    `devices` has, for each of them, the devices it is given: positions in the node's `devices`.
    """

    nodes: tuple[str, ...]
    explanation: Explanation
    devices: tuple[tuple[int, ...], ...] = ()


def allocatable(capacity: Resources, reserve: Resources, overcommit: Mapping[str, int] | None = None) -> Resources:
    """What instances may reserve: capacity less the system's reserve, times the overcommit in percent per resource.

    The reserve comes off first, so that it is never lent out. Raises `ValueError` for a ratio below 100.
    """
    ratios = overcommit or {}
    for name, percent in ratios.items():
        if name not in Resources.__slots__ or percent < 100:
            raise ValueError(f"overcommit of {name} cannot be {percent} %")
    figures = {
        name: max(0, getattr(capacity, name) - getattr(reserve, name)) * ratios.get(name, 100) // 100
        for name in Resources.__slots__
    }
    return Resources(**figures)


@dataclass(frozen=True, slots=True)
class Running:
    """One instance that runs, as far as moving or displacing it goes. `request` is what it was placed by, now."""

    id: int
    request: Request
    node: str
    healthy: bool = True
    protected: bool = False  # by its priority class: never displaced, never moved
    devices: tuple[int, ...] = ()  # positions in the node's `devices`
