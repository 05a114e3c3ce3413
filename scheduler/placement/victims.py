"""The cheapest set of instances on one node without which a request fits there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import NamedTuple

from scheduler.placement.cluster import Cluster
from scheduler.placement.leave import taken, without
from scheduler.placement.units import RESOURCES
from scheduler.placement.values import Node, Request, Running

_MOST_TRIED = 2000  # sets of one size; beyond that, one is looked for that is only near the cheapest


class Cost(NamedTuple):
    """What displacing costs: compared in this order."""

    instances: int
    highest: int  # priority
    priorities: int  # their sum

    @classmethod
    def of(cls, victims: Sequence[Running]) -> Cost:
        priorities = [one.request.priority for one in victims]
        return cls(len(victims), max(priorities), sum(priorities))


class Victims:
    """The node's instances of lower priority are candidates; `healthy` counts each app's healthy ones everywhere."""

    def __init__(self, node: Node, candidates: Sequence[Running], request: Request, healthy: Counter[str]) -> None:
        self.node = node
        self.request = request
        self.healthy = healthy
        self.candidates = sorted(
            (one for one in candidates if not one.healthy or healthy[one.request.app] > 1),
            key=lambda one: (one.request.priority, one.id),
        )
        free = node.allocatable - node.reserved
        need = request.resources
        asked = {name: getattr(need, name) for name in RESOURCES} | {"instances": max(need.instances, 1)}
        self.short = {
            name: short for name, amount in asked.items() if amount and (short := amount - getattr(free, name)) > 0
        }
        self.freed = {name: {one.id: getattr(taken(one), name) for one in self.candidates} for name in self.short}

    def enough(self) -> bool:
        """Whether anything may go, and with all of that the figures would suffice."""
        return bool(self.candidates) and self._frees(self.candidates)

    def _frees(self, victims: Sequence[Running]) -> bool:
        return all(
            sum([freed[one.id] for one in victims]) >= short
            for short, freed in zip(self.short.values(), self.freed.values(), strict=True)
        )

    def bound(self) -> Cost:
        """No set costs less than this."""
        fewest = 1
        for name, short in self.short.items():
            count = 0
            for freed in sorted(self.freed[name].values(), reverse=True):
                if short <= 0:
                    break
                short -= freed
                count += 1
            fewest = max(fewest, count)
        priorities = [one.request.priority for one in self.candidates[:fewest]]
        return Cost(fewest, priorities[-1], sum(priorities))

    def least(self, cluster: Cluster) -> tuple[Running, ...]:
        """The cheapest set; empty when even all that may go would not be enough. The cluster is left as it was."""
        try:
            if not self._suffices(cluster, self.candidates):
                return ()
            for size in range(self.bound().instances, len(self.candidates) + 1):
                sets = list(islice(combinations(self.candidates, size), _MOST_TRIED + 1))
                if len(sets) > _MOST_TRIED:
                    return self._small(cluster)
                for victims in sorted(filter(self._may_go, sets), key=Cost.of):
                    if self._frees(victims) and self._suffices(cluster, victims):
                        return victims
            return ()
        finally:
            cluster.update(self.node)

    def _may_go(self, victims: Sequence[Running]) -> bool:
        gone = Counter(one.request.app for one in victims if one.healthy)
        return all(self.healthy[app] > number for app, number in gone.items())

    def _suffices(self, cluster: Cluster, victims: Sequence[Running]) -> bool:
        cluster.update(without(self.node, victims))
        return cluster.fits(self.request, self.node.name)

    def _small(self, cluster: Cluster) -> tuple[Running, ...]:
        """A set from which none can be left out: the best of what is left when one after the other is spared."""
        most = self._expendable()
        if not self._suffices(cluster, most):
            return ()
        return min((self._pared(cluster, most, order) for order in self._orders(most)), key=Cost.of)

    def _expendable(self) -> list[Running]:
        """The most that may go together: of each app all but its last healthy instance."""
        left = Counter(self.healthy)
        found = []
        for one in self.candidates:
            if one.healthy:
                if left[one.request.app] < 2:
                    continue
                left[one.request.app] -= 1
            found.append(one)
        return found

    def _orders(self, most: Sequence[Running]) -> Iterator[Sequence[Running]]:
        """Who is spared first: who matters most, or who frees least of what is short."""
        yield most[::-1]

        def frees(one: Running) -> tuple[int, int]:
            shares = [self.freed[name][one.id] * 1000 // short for name, short in self.short.items()]
            return sum(shares), -one.request.priority

        yield sorted(most, key=frees)

    def _pared(self, cluster: Cluster, most: Sequence[Running], order: Sequence[Running]) -> tuple[Running, ...]:
        kept = list(most)
        for one in order:
            fewer = [other for other in kept if other is not one]
            if fewer and self._frees(fewer) and self._suffices(cluster, fewer):
                kept = fewer
        return tuple(kept)
