"""Which filters and scores count, and how much: the part of the placement that ops configure.

A profile is plain data, so that it can be kept, edited and tried: `Profile.from_dict` validates what people write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.placement.filters import FILTERS
from scheduler.placement.scores import SCORES

FILTER_NAMES = frozenset(sort.name for sort in FILTERS) | {"distinct_nodes"}
PHYSICS = frozenset({"state", "resources", "devices", "ports", "volumes", "kept"})
HEAVIEST = 1000


@dataclass(frozen=True, slots=True)
class Profile:
    """Weights by the score's name (a score that is not named does not count) and the filters that are left out.

    Raises `ValueError`, with the name of what is wrong, for unknown names, weights outside 0 to 1000 and filters
    that cannot be left out.
    """

    name: str
    weights: Mapping[str, int]
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a profile needs a name")
        for score, weight in self.weights.items():
            if score not in SCORES:
                raise ValueError(f"{score!r} is no score; there are {', '.join(SCORES)}")
            if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= HEAVIEST:
                raise ValueError(f"{score}: a weight is a whole number between 0 and {HEAVIEST}, not {weight!r}")
        for name in sorted(self.without):
            if name not in FILTER_NAMES:
                raise ValueError(f"{name!r} is no filter; there are {', '.join(sorted(FILTER_NAMES))}")
            if name in PHYSICS:
                raise ValueError(f"the filter {name} cannot be left out")

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "weights": dict(self.weights), "without": sorted(self.without)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Profile:
        """What `as_dict` made, or what people wrote. Raises `ValueError`."""
        if unknown := set(value) - {"name", "weights", "without"}:
            raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
        name, weights, without = value.get("name", ""), value.get("weights", {}), value.get("without", [])
        if not isinstance(name, str):
            raise ValueError("name: a text is wanted")
        if not isinstance(weights, Mapping):
            raise ValueError("weights: a mapping of scores to whole numbers is wanted")
        if not isinstance(without, list | tuple | frozenset) or not all(isinstance(one, str) for one in without):
            raise ValueError("without: a list of filters is wanted")
        return cls(name, dict(weights), frozenset(without))


_COMMON = {"prefer": 10, "taints": 100, "avoid": 1000, "stay": 2, "image": 2}

SPREAD = Profile("spread", {"spread": 20, "room": 5, **_COMMON})
BINPACK = Profile("binpack", {"binpack": 10, "stranded": 320, "fragmentation": 5, "spread": 1, **_COMMON})
BALANCED = Profile("balanced", {"spread": 20, "room": 5, "balance": 5, **_COMMON})
FRAGMENTATION = Profile("fragmentation", {"fragmentation": 100, "stranded": 160, "binpack": 5, "spread": 1, **_COMMON})
PRESETS: Mapping[str, Profile] = {profile.name: profile for profile in (SPREAD, BINPACK, BALANCED, FRAGMENTATION)}
