"""Room for what matters more: which instances of lower priority would have to go for one more to fit.

1. On each node, everything that may be displaced is taken off; nodes on which the request does not fit then are out.
2. On the others the least set that suffices is looked for: few instances first, then low priorities.
3. The node with the least set wins; of equal ones the first by name.

An instance may be displaced when its priority is lower, it is not protected, and its app keeps another healthy one.
Nodes are looked at in the order of a bound on what they can cost at least, so that most need not be looked at; and
when many have the same bound, only the first hundred are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.placement.cluster import Cluster
from scheduler.placement.leave import without
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.values import Node, Request, Running
from scheduler.placement.victims import Cost, Victims

_MOST_NODES = 100


@dataclass(frozen=True, slots=True)
class Preemption:
    """The node that takes one more instance once `displaced` (ids) have gone, and where those fit then."""

    node: str
    displaced: tuple[int, ...]
    targets: tuple[str, ...]  # for each of them, the node where it can go; empty when it has to wait


def preempt(
    nodes: Sequence[Node], running: Sequence[Running], request: Request, profile: Profile = SPREAD
) -> Preemption | None:
    """The least displacement by which one instance of the request fits; None when there is none.

    Only for a request that fits nowhere as things are. Nothing is decided about what is displaced but that it goes:
    its app places it again.
    """
    cluster = Cluster(nodes, profile)
    healthy = Counter(one.request.app for one in running if one.healthy)
    by_node: dict[str, list[Running]] = {}
    for one in running:
        if one.request.priority < request.priority and not one.protected:
            by_node.setdefault(one.node, []).append(one)
    found = [
        (victims.bound(), node.name, victims)
        for node in nodes
        if node.name in by_node and (victims := Victims(node, by_node[node.name], request, healthy)).enough()
    ]
    best: tuple[Cost, str, tuple[Running, ...]] | None = None
    for tried, (bound, name, victims) in enumerate(sorted(found, key=lambda one: one[:2])):
        if best is not None and ((bound, name) > best[:2] or tried >= _MOST_NODES):
            break
        chosen = victims.least(cluster)
        if chosen and (best is None or (Cost.of(chosen), name) < best[:2]):
            best = Cost.of(chosen), name, chosen
    if best is None:
        return None
    _, name, displaced = best
    return Preemption(name, tuple(one.id for one in displaced), _targets(nodes, name, displaced, request, profile))


def _targets(
    nodes: Sequence[Node], name: str, victims: Sequence[Running], request: Request, profile: Profile
) -> tuple[str, ...]:
    """Where the displaced go, once the request has its place."""
    cluster = Cluster([without(node, victims) if node.name == name else node for node in nodes], profile)
    bound = replace(request, count=1, constraints=replace(request.constraints, nodes=frozenset({name})))
    cluster.place_many([bound])
    placed = cluster.place_many([replace(one.request, count=1) for one in victims])
    return tuple(found[0] if found else "" for found in placed)
