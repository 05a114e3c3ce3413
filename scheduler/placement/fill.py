"""Many equal instances at once, to the same nodes in the same order as one after the other.

One after the other always takes the node with the highest key, whose key then changes. A node's n-th instance is taken
no earlier than its key, and all keys before it, have been the highest: what counts is the lowest of its keys so far.
So the instances of all nodes are sorted by that, and the first ones taken: water filling for scores that fall with
every instance, node after node for those that rise, and anything between.
"""

from __future__ import annotations

import numpy as np

from scheduler.placement.keys import FEASIBLE, NEVER
from scheduler.placement.kind import Kind
from scheduler.placement.types import Ints

_WIDEST = 64  # instances of one node that are looked at in one go


def fill(kind: Kind, count: int) -> Ints:
    """The nodes for up to `count` instances, in order. The kind has to be one that `repeats`; nothing is claimed."""
    keys = kind.all_keys()
    nodes = _most_promising(keys, count)
    lowest = keys[nodes]
    found_keys, found_nodes, found_turns = [lowest], [nodes], [np.zeros(len(nodes), np.int64)]
    turn, width = 1, 1
    while len(nodes):
        threshold = _threshold(found_keys, count)
        still = lowest >= threshold
        nodes, lowest = nodes[still], lowest[still]
        if not len(nodes) or turn >= count:
            break
        width = min(width, count - turn)
        turns = np.arange(turn, turn + width)
        keys = kind.keys_at(nodes.repeat(width), np.tile(turns, len(nodes))).reshape(-1, width)
        keys = np.minimum.accumulate(np.minimum(keys, lowest[:, None]), axis=1)
        fits = keys > FEASIBLE
        rows, columns = np.nonzero(fits)
        found_keys.append(keys[rows, columns])
        found_nodes.append(nodes[rows])
        found_turns.append(turns[columns])
        nodes, lowest = nodes[fits[:, -1]], keys[fits[:, -1], -1]
        turn += width
        width = min(2 * width, _WIDEST)
    all_keys, all_nodes, all_turns = (np.concatenate(found) for found in (found_keys, found_nodes, found_turns))
    # all turns of a node that share a lowest key come before the next node's: keys of different nodes differ
    chosen = np.lexsort((all_turns, -all_keys))[:count]
    picked: Ints = all_nodes[chosen]
    return picked


def _most_promising(keys: Ints, count: int) -> Ints:
    """The `count` nodes with the highest keys; an instance can go to no other."""
    feasible = np.flatnonzero(keys > FEASIBLE)
    if len(feasible) <= count:
        return feasible
    promising: Ints = feasible[np.argpartition(keys[feasible], len(feasible) - count)[-count:]]
    return promising


def _threshold(found: list[Ints], count: int) -> int:
    """What a key has to reach to be among the `count` highest found so far."""
    keys = np.concatenate(found)
    if len(keys) < count:
        return NEVER
    return int(np.partition(keys, len(keys) - count)[len(keys) - count])
