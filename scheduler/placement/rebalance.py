"""Which instances would be better off elsewhere, after nodes joined, came back or were drained.

Placement alone never moves what runs well. This proposes moves, the best first, each worth at least `least`: by so much
the new place scores higher than the one that is given up. The new instance is meant to be healthy before the old one
goes (surge first), so a move has to fit while the old one is still there, and of one app only so many are under way.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.placement.cluster import Cluster
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.values import Node, Request, Running

WORTH_IT = (
    2000  # thousandths; with the preset `spread`, an instance that shares a node is 20,000 below one that does not
)

_NEARLY = (15, 16)  # a move is taken when it gains this much of what another one promises: looking again takes time


@dataclass(frozen=True, slots=True)
class Move:
    """Instance `id` from one node to another. `gain` is the difference of the scores, weighed, in thousandths."""

    id: int
    app: str
    source: str
    target: str
    gain: int


def rebalance(
    nodes: Sequence[Node],
    running: Sequence[Running],
    most: int,
    *,
    per_app: int = 1,
    least: int = WORTH_IT,
    profile: Profile = SPREAD,
) -> tuple[Move, ...]:
    """At most `most` moves, of one app at most `per_app`; carried out in order, each is as good as it says.

    Protected and unhealthy instances stay where they are: the loop replaces what is unhealthy anyway.
    """
    cluster = Cluster(nodes, profile)
    equal: dict[Request, list[Running]] = {}
    for one in running:
        if one.healthy and not one.protected:
            equal.setdefault(one.request, []).append(one)
    queue = [(-gain, number) for number, (gain, _) in enumerate(_best(cluster, alike) for alike in equal.values())]
    heapq.heapify(queue)
    requests = list(equal)
    moves: list[Move] = []
    moved: Counter[str] = Counter()
    while queue and len(moves) < most and -queue[0][0] >= least:
        _, number = heapq.heappop(queue)
        alike = equal[requests[number]]
        if moved[alike[0].request.app] >= per_app:
            continue
        # what it gained is no more than a guess once something else has moved
        gain, one = _best(cluster, alike)
        if gain < least:
            continue
        if queue and gain * _NEARLY[1] < -queue[0][0] * _NEARLY[0]:
            heapq.heappush(queue, (-gain, number))
            continue
        target = cluster.move(one)
        alike.remove(one)
        moved[one.request.app] += 1
        moves.append(Move(one.id, one.request.app, one.node, target, gain))
        if alike:
            heapq.heappush(queue, (-gain, number))
    return tuple(moves)


def _best(cluster: Cluster, alike: Sequence[Running]) -> tuple[int, Running]:
    """Of instances of one request, the one that gains most by a move, and how much; of equal ones the first."""
    gains = cluster.gains(alike)
    best = max(range(len(gains)), key=gains.__getitem__)
    return gains[best], alike[best]
