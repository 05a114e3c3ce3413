"""Which scores count, and how much: the weights by which nodes that fit are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCORES = ("spread", "room", "binpack", "prefer", "avoid")


@dataclass(frozen=True, slots=True)
class Profile:
    """Weights by the score's name; a score that is not named does not count. Raises `ValueError` when it is wrong."""

    name: str
    weights: Mapping[str, int]

    def __post_init__(self) -> None:
        for score, weight in self.weights.items():
            if score not in SCORES:
                raise ValueError(f"{score!r} is no score; there are {', '.join(SCORES)}")
            if not 0 <= weight <= 1000:
                raise ValueError(f"{score}: a weight is between 0 and 1000, not {weight}")


SPREAD = Profile("spread", {"spread": 20, "room": 5, "prefer": 10, "avoid": 1000})
BINPACK = Profile("binpack", {"spread": 1, "binpack": 20, "prefer": 10, "avoid": 1000})
