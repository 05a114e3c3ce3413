"""The engine: nodes that are kept, requests that are placed on them, one after the other or many at once.

    cluster = Cluster(nodes)
    decision = cluster.place(request)       # claims what it decides
    cluster.release(name, request)          # an instance went
    cluster.refresh([node])                 # a node changed, or joined

The same nodes and the same requests in the same order give the same placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from scheduler.placement.explain import explain
from scheduler.placement.explanation import Explanation
from scheduler.placement.fill import fill
from scheduler.placement.gains import WELCOME, gains, in_thousandths
from scheduler.placement.keys import FEASIBLE, NEVER
from scheduler.placement.kind import Kind
from scheduler.placement.profiles import SPREAD, Profile
from scheduler.placement.state import State
from scheduler.placement.values import Decision, Node, Request, Running

_OFTEN = 16  # kinds made between two looks at what is kept
_FEW = 10_000  # requests that are recognised by being the same object
KIND_BYTES = 128 << 20  # what may be kept about kinds; the ones that were not used for longest are dropped


class Cluster:
    """Nodes with what is claimed on them. Raises `ValueError` for nodes of one name and malformed requests."""

    def __init__(self, nodes: Sequence[Node], profile: Profile = SPREAD) -> None:
        self.state = State(nodes)
        self.profile = profile
        self._kinds: dict[tuple[str, Request], Kind] = {}
        self._made = 0
        self._seen: dict[int, tuple[Kind, Request]] = {}  # holds on to the request, so that no id is used twice

    def place(self, request: Request, profile: Profile | None = None) -> Decision:
        """Find nodes for the request's instances and claim what they need."""
        kind = self._kind(request, profile)
        chosen, devices = self._place(kind, request.count)
        if len(chosen) == request.count and chosen:
            # the last instance is explained as it was placed: without itself
            self._release(kind, chosen[-1], devices[-1])
            explanation = explain(kind, request.count, len(chosen))
            self._claim(kind, chosen[-1])
        else:
            explanation = explain(kind, request.count, len(chosen))
        names = self.state.names
        return Decision(tuple(names[n] for n in chosen), explanation, tuple(devices))

    def place_many(self, requests: Iterable[Request]) -> list[tuple[str, ...]]:
        """The same for many requests, in order, without explanations: the nodes of each.

        Requests that are the same object are recognised as equal at no cost.
        """
        names = self.state.names
        self._seen.clear()
        placed: list[tuple[str, ...]] = []
        for request in requests:
            known = self._seen.get(id(request))
            kind = known[0] if known is not None else self._remember(request)
            if request.count == 1:
                if kind.learns:
                    self.state.workload.note(kind.typical)
                n = kind.best()
                if n >= 0:
                    self._claim(kind, n)
                placed.append((names[n],) if n >= 0 else ())
            else:
                placed.append(tuple([names[n] for n in self._place(kind, request.count)[0]]))
        self._seen.clear()
        return placed

    def explain(self, request: Request, profile: Profile | None = None) -> Explanation:
        """How every node looks to one more instance of the request; nothing is claimed."""
        kind = self._kind(request, profile)
        return explain(kind, 1, int(kind.best() >= 0))

    def release(self, node: str, request: Request, devices: tuple[int, ...] = ()) -> None:
        """Give back what one instance of the request has claimed on a node, its devices included."""
        self._release(self._kind(request), self.state.index[node], devices)

    def fits(self, request: Request, node: str) -> bool:
        """Whether one more instance fits on this very node."""
        kind = self._kind(request)
        kind.check_version()
        return kind.key_of(self.state.index[node]) > FEASIBLE

    def better(self, one: Running, profile: Profile | None = None) -> tuple[str, int] | None:
        """The best node for an instance that runs, other than its own, and by how much it is better, in thousandths.

        None when none fits. The instance itself does not count, as one that is going away; its room is not free yet.
        """
        kind, state, own = self._kind(one.request, profile), self.state, self.state.index[one.node]
        kind.check_version()
        self._release(kind, own, one.devices)
        here, n = kind.key_of(own), kind.best()
        there = kind.key_of(n) if n >= 0 else NEVER
        self._claim(kind, own, one.devices)
        if n < 0 or n == own:
            return None
        if here <= FEASIBLE:  # it would not be put here today: whatever is allowed is better
            return state.names[n], WELCOME
        return state.names[n], int(in_thousandths(state, np.array([there - here]))[0])

    def gains(self, alike: Sequence[Running]) -> list[int]:
        """What `better` says of each of some instances of one request; -1 for nothing."""
        kind = self._kind(alike[0].request)
        kind.check_version()
        if kind.foresees:
            found: list[int] = gains(kind, np.array([self.state.index[one.node] for one in alike])).tolist()
            return found
        return [-1 if found is None else found[1] for found in map(self.better, alike)]

    def move(self, one: Running) -> str:
        """Move an instance to the node that is best for it and return that. Raises `LookupError` when none fits."""
        found = self.better(one)
        if found is None:
            raise LookupError(f"no other node fits instance {one.id}")
        kind = self._kind(one.request)
        self._release(kind, self.state.index[one.node], one.devices)
        self._claim(kind, self.state.index[found[0]])
        return found[0]

    def update(self, node: Node) -> None:
        """Take over what has become of a node, all that was claimed on it included. Raises `KeyError` for a new one."""
        self.state.update(node)

    def refresh(self, changed: Iterable[Node], gone: Iterable[str] = ()) -> None:
        """Take over nodes that have changed, joined or left. What was claimed on the others stays claimed."""
        joined: dict[str, Node] = {}
        for node in changed:
            if node.name in self.state.index:
                self.state.update(node)
            else:
                joined[node.name] = node
        left = self.state.index.keys() & set(gone)
        if joined or left:
            before = self.state
            stay = [before.current(n) for n, name in enumerate(before.names) if name not in left]
            self.state = State([*stay, *joined.values()])
            self.state.workload.go_on(before.workload)
            self._kinds.clear()

    @property
    def nodes(self) -> list[Node]:
        """The nodes with all that is claimed on them, in the order of their names."""
        return [self.state.current(n) for n in range(self.state.size)]

    def _place(self, kind: Kind, count: int) -> tuple[list[int], list[tuple[int, ...]]]:
        kind.check_version()
        nodes: list[int] = []
        devices: list[tuple[int, ...]] = []
        left = count
        while left:
            together = left if kind.repeats else 1
            if kind.learns:
                together = self.state.workload.steady(together)
                self.state.workload.note(kind.typical, together)
            left -= together
            chosen = self._place_alike(kind, together) if together > 1 else self._place_one(kind, devices)
            nodes += chosen
            if len(chosen) < together and not kind.learns:
                break
        return nodes, devices or [()] * len(nodes)

    def _place_one(self, kind: Kind, devices: list[tuple[int, ...]]) -> list[int]:
        n = kind.best()
        if n < 0:
            return []
        devices.append(self._claim(kind, n))
        return [n]

    def _place_alike(self, kind: Kind, count: int) -> list[int]:
        chosen = fill(kind, count)
        nodes, times = np.unique(chosen, return_counts=True)
        self.state.claim_many(nodes, times, kind.need, kind.request.app)
        for port in kind.request.constraints.ports:
            self.state.taken(port)[nodes] = True
        found: list[int] = chosen.tolist()
        return found

    def _claim(self, kind: Kind, n: int, devices: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Take what one instance needs; returns the positions of the devices it gets: `devices` when given."""
        given: list[int] = []
        for table, wanted in kind.devices:
            chosen = table.at(n, devices) if devices else table.choose(wanted, n)
            table.take(n, chosen, wanted.share)
            self.state.devices_free[n] -= wanted.share * wanted.count
            given += [table.positions[n][k] for k in chosen]
        self.state.claim(n, kind.amounts, kind.request.app)
        for port in kind.request.constraints.ports:
            self.state.taken(port)[n] = True
        return tuple(given)

    def _release(self, kind: Kind, n: int, devices: tuple[int, ...]) -> None:
        for table, wanted in kind.devices:
            given = table.at(n, devices)
            table.give_back(n, given, wanted.share)
            self.state.devices_free[n] += wanted.share * len(given)
        self.state.claim(n, kind.amounts, kind.request.app, -1)
        for port in kind.request.constraints.ports:
            self.state.taken(port)[n] = False

    def _kind(self, request: Request, profile: Profile | None = None) -> Kind:
        profile = profile or self.profile
        key = (repr(profile.as_dict()), replace(request, count=0))
        kind = self._kinds.pop(key, None)
        if kind is None:
            kind = Kind(self.state, key[1], profile)
            self._made += 1
            if self._made % _OFTEN == 0:
                self._drop_oldest()
        self._kinds[key] = kind  # the dict's order is that of the last use
        return kind

    def _remember(self, request: Request) -> Kind:
        kind = self._kind(request)
        if len(self._seen) >= _FEW:
            self._seen.clear()
        self._seen[id(request)] = kind, request
        return kind

    def _drop_oldest(self) -> None:
        """Have no more kept than `KIND_BYTES`."""
        kept = sum(kind.bytes for kind in self._kinds.values())
        if kept <= KIND_BYTES:
            return
        self._seen.clear()
        while kept > KIND_BYTES // 2 and self._kinds:
            oldest = self._kinds.pop(next(iter(self._kinds)))
            kept -= oldest.bytes
            self.state.counts.forget_listener(oldest)
        left = self._kinds.values()
        self.state.counts.keep_only(set().union(*(kind.watched() for kind in left)))
        self.state.keep_images(set().union(*(kind.images for kind in left)))


def place(nodes: Sequence[Node], request: Request, profile: Profile = SPREAD) -> Decision:
    """Find nodes for the request's instances, one after the other. Raises `ValueError` for a malformed expression."""
    return Cluster(nodes, profile).place(request)
