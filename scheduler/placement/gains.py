"""By how much the instances of a kind would be better off elsewhere, for all nodes at once.

The same as asking for each instance by itself, if nothing else moves meanwhile: an instance that goes changes how its
own node looks, and how the label values look that its node has. So nodes with equal values are asked about together.
"""

from __future__ import annotations

import numpy as np

from scheduler.placement.explanation import THOUSAND
from scheduler.placement.keys import FEASIBLE
from scheduler.placement.kind import Kind
from scheduler.placement.state import FULL, State
from scheduler.placement.types import Ints

WELCOME = 1_000_000  # thousandths: the gain of leaving a node that would refuse the instance today
NONE = -1  # there is no better node


def gains(kind: Kind, nodes: Ints) -> Ints:
    """For each of the nodes, all of which have an instance of the kind, what the best move from it gains.

    In thousandths; `NONE` when no other node fits. The kind has to be one that `foresees`.
    """
    keys = kind.all_keys()
    here = kind.keys_at(nodes, np.full(len(nodes), -1))
    if kind.layout is None:
        return _of_stretch(kind, keys, here, nodes)
    found = np.empty(len(nodes), np.int64)
    stretches = np.searchsorted(kind.layout.starts, kind.layout.position.take(nodes), "right") - 1
    for stretch in np.unique(stretches).tolist():
        chosen = np.flatnonzero(stretches == stretch)
        with kind.state.counts.one_fewer(kind.request.app, int(nodes[chosen[0]])):
            terms = kind.domain_terms(kind.layout)
        everywhere = np.empty_like(keys)
        everywhere[kind.layout.order] = keys + terms.repeat(np.diff(kind.layout.bounds))
        own = here[chosen] + terms[stretch]
        found[chosen] = _of_stretch(kind, everywhere, own, nodes[chosen])
    return found


def _of_stretch(kind: Kind, keys: Ints, here: Ints, nodes: Ints) -> Ints:
    """`keys` are those of all nodes, `here` those of the nodes that an instance leaves once it has."""
    if len(keys) < 2:
        return np.full(len(nodes), NONE)
    second, first = np.argpartition(keys, -2)[-2:].tolist()
    there = np.where(nodes == first, keys[second], keys[first])
    gain = np.where(here > FEASIBLE, in_thousandths(kind.state, there - here), WELCOME)
    found: Ints = np.where(there > FEASIBLE, gain, NONE)
    return found


def in_thousandths(state: State, difference: Ints) -> Ints:
    """What the differences of keys are in weighed points."""
    return difference // state.ranks * THOUSAND // FULL
