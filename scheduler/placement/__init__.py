"""Where instances run: nodes and a request in, a placement and its explanation out. Pure."""

from scheduler.placement.cluster import Cluster, place
from scheduler.placement.explanation import Explanation
from scheduler.placement.preempt import Preemption, preempt
from scheduler.placement.profiles import BALANCED, BINPACK, FRAGMENTATION, PRESETS, SPREAD, Profile
from scheduler.placement.rebalance import Move, rebalance
from scheduler.placement.trial import Picture, Trial, try_profile
from scheduler.placement.values import (
    Affinity,
    AtMost,
    Bond,
    Constraints,
    Decision,
    Device,
    DeviceRequest,
    Node,
    Preference,
    Request,
    Running,
    Skew,
    Taint,
    Toleration,
    allocatable,
)

__all__ = [
    "BALANCED",
    "BINPACK",
    "FRAGMENTATION",
    "PRESETS",
    "SPREAD",
    "Affinity",
    "AtMost",
    "Bond",
    "Cluster",
    "Constraints",
    "Decision",
    "Device",
    "DeviceRequest",
    "Explanation",
    "Move",
    "Node",
    "Picture",
    "Preemption",
    "Preference",
    "Profile",
    "Request",
    "Running",
    "Skew",
    "Taint",
    "Toleration",
    "Trial",
    "allocatable",
    "place",
    "preempt",
    "rebalance",
    "try_profile",
]
