"""Room for what matters more: which instances of lower priority would have to go for one more to fit.

1. On each node, everything that may be displaced is taken off; nodes on which the request does not fit then are out.
2. On the others the least set that suffices is looked for: few instances first, then low priorities.
3. The node with the least set wins; of equal ones the first by name.

An instance may be displaced when its priority is lower, it is not protected, and its app keeps another healthy one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

from scheduler.model import Resources
from scheduler.placement.cluster import Cluster
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.values import Node, Request, Running

_MOST_TRIED = 2000  # sets on one node, before the first one that suffices is made smaller bit by bit instead


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
    best: tuple[tuple[int, int, int], str, tuple[Running, ...]] | None = None
    for node in sorted(nodes, key=lambda node: node.name):
        victims = _least(cluster, node, by_node.get(node.name, []), request, healthy)
        if victims and (best is None or _cost(victims) < best[0]):
            best = _cost(victims), node.name, victims
    if best is None:
        return None
    _, name, victims = best
    return Preemption(name, tuple(one.id for one in victims), _targets(nodes, name, victims, request, profile))


def _cost(victims: Sequence[Running]) -> tuple[int, int, int]:
    priorities = [one.request.priority for one in victims]
    return len(victims), max(priorities), sum(priorities)


def _least(
    cluster: Cluster, node: Node, candidates: Sequence[Running], request: Request, healthy: Counter[str]
) -> tuple[Running, ...]:
    """The cheapest set of candidates without which the request fits on the node; empty when there is none."""
    candidates = sorted(candidates, key=lambda one: (one.request.priority, one.id))
    expendable = _spared(candidates, healthy)

    def suffices(victims: Sequence[Running]) -> bool:
        cluster.update(without(node, victims))
        return cluster.fits(request, node.name)

    try:
        if not expendable or not suffices(expendable):
            return ()
        for victims in islice(_sets(candidates, healthy, len(expendable)), _MOST_TRIED):
            if suffices(victims):
                return victims
        kept = list(expendable)
        for one in reversed(expendable):  # the most important ones stay if they can
            fewer = [other for other in kept if other is not one]
            if fewer and suffices(fewer):
                kept = fewer
        return tuple(kept)
    finally:
        cluster.update(node)


def _spared(candidates: Sequence[Running], healthy: Counter[str]) -> list[Running]:
    """The most that may go: of each app all but its last healthy instance."""
    left = Counter(healthy)
    found = []
    for one in candidates:
        if one.healthy:
            if left[one.request.app] < 2:
                continue
            left[one.request.app] -= 1
        found.append(one)
    return found


def _sets(candidates: Sequence[Running], healthy: Counter[str], most: int) -> Iterator[tuple[Running, ...]]:
    """Sets of candidates that may go together, the cheapest first within each size."""
    for size in range(1, most + 1):
        for victims in sorted(islice(combinations(candidates, size), _MOST_TRIED), key=_cost):
            gone = Counter(one.request.app for one in victims if one.healthy)
            if all(healthy[app] > number for app, number in gone.items()):
                yield victims


def without(node: Node, victims: Sequence[Running]) -> Node:
    """The node as it is once these instances have gone."""
    reserved, apps, ports, devices = node.reserved, dict(node.apps), node.ports, list(node.devices)
    for one in victims:
        need = one.request.resources
        reserved -= replace(need, instances=max(need.instances, 1))
        apps[one.request.app] = apps.get(one.request.app, 0) - 1
        ports -= one.request.constraints.ports
        for k in one.devices:
            share = next(d.share for d in one.request.constraints.devices if d.name == devices[k].name)
            devices[k] = replace(devices[k], free=devices[k].free + share)
    apps = {app: count for app, count in apps.items() if count > 0}
    return replace(node, reserved=_positive(reserved), apps=apps, ports=ports, devices=tuple(devices))


def _positive(amounts: Resources) -> Resources:
    return Resources(*(max(0, figure) for figure in (amounts.cpu, amounts.memory, amounts.disk, amounts.instances)))


def _targets(
    nodes: Sequence[Node], name: str, victims: Sequence[Running], request: Request, profile: Profile
) -> tuple[str, ...]:
    """Where the displaced go, once the request has its place."""
    cluster = Cluster([without(node, victims) if node.name == name else node for node in nodes], profile)
    bound = replace(request, count=1, constraints=replace(request.constraints, nodes=frozenset({name})))
    cluster.place_many([bound])
    placed = cluster.place_many([replace(one.request, count=1) for one in victims])
    return tuple(found[0] if found else "" for found in placed)
