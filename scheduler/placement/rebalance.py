"""Which instances would be better off elsewhere, after nodes joined, came back or were drained.

Placement alone never moves what runs well. This proposes moves, the best first, each worth at least `least`: by so much
the new place scores higher than the one that is given up. The new instance is meant to be healthy before the old one
goes (surge first), so a move has to fit while the old one is still there, and of one app only so many are under way.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.placement.cluster import Cluster
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.values import Node, Request, Running

WORTH_IT = (
    2000  # thousandths; with the preset `spread`, an instance that shares a node is 20,000 below one that does not
)


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
    requests: dict[Request, Request] = {}
    movable = [
        replace(one, request=requests.setdefault(one.request, one.request))
        for one in running
        if one.healthy and not one.protected
    ]
    # the best gain seen is no more than a guess once something has moved: the top is looked at again
    heap = []
    for position, one in enumerate(movable):
        found = cluster.better(one)
        if found is not None and found[1] >= least:
            heap.append((-found[1], position))
    heapq.heapify(heap)
    moves: list[Move] = []
    moved: Counter[str] = Counter()
    while heap and len(moves) < most:
        promised, position = heapq.heappop(heap)
        one = movable[position]
        if moved[one.request.app] >= per_app:
            continue
        found = cluster.better(one)
        if found is None or found[1] < least:
            continue
        target, gain = found
        if heap and gain < -promised and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, position))
            continue
        cluster.move(one, target)
        moved[one.request.app] += 1
        moves.append(Move(one.id, one.request.app, one.node, target, gain))
    return tuple(moves)
