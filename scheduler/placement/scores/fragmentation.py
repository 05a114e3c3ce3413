from __future__ import annotations

from scheduler.placement.scores.base import Score


class FragmentationScore(Score):
    """Placeholder until the workload is learnt."""

    name = "fragmentation"
