"""The preferences by which nodes that fit are compared."""

from collections.abc import Mapping

from scheduler.placement.scores.avoid import AvoidScore
from scheduler.placement.scores.balance import BalanceScore
from scheduler.placement.scores.base import CountScore, DomainScore, Score
from scheduler.placement.scores.binpack import BinpackScore
from scheduler.placement.scores.fragmentation import FragmentationScore
from scheduler.placement.scores.image import ImageScore
from scheduler.placement.scores.prefer import PreferScore
from scheduler.placement.scores.room import RoomScore
from scheduler.placement.scores.spread import SpreadScore
from scheduler.placement.scores.stay import StayScore
from scheduler.placement.scores.stranded import StrandedScore
from scheduler.placement.scores.taints import TaintScore

SCORES: Mapping[str, type[Score]] = {
    score.name: score
    for score in (
        SpreadScore,
        RoomScore,
        BinpackScore,
        BalanceScore,
        StrandedScore,
        FragmentationScore,
        PreferScore,
        TaintScore,
        AvoidScore,
        StayScore,
        ImageScore,
    )
}

__all__ = ["SCORES", "CountScore", "DomainScore", "Score"]
