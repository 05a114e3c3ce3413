"""What a cluster would look like under a profile: a dry run, before the profile is set.

Everything that runs is placed anew, in the order in which it came, on the nodes as they are without it. So the two
pictures differ by the profile and by how the present one came about; nobody is moved by setting a profile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scheduler.placement.cluster import Cluster
from scheduler.placement.leave import without
from scheduler.placement.profiles import Profile
from scheduler.placement.state import FULL, State
from scheduler.placement.values import Node, Request, Running

Where = Mapping[str, Mapping[str, int]]  # app -> node -> instances


@dataclass(frozen=True, slots=True)
class Picture:
    """A way to place all instances, in figures."""

    placed: int
    pending: int
    nodes_used: int
    sharing: int  # instances that have another one of their app beside them
    fullest: int  # percent: the mean share of CPU, memory and devices that is reserved on the fullest ready node
    emptiest: int

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Trial:
    profile: Profile
    now: Picture
    then: Picture
    elsewhere: int  # instances that are on other nodes then
    apps: tuple[tuple[str, Mapping[str, int], Mapping[str, int]], ...]  # those of them, with where they run and would

    def as_dict(self, limit: int = 50) -> dict[str, Any]:
        """For the API; JSON alone. At most `limit` apps."""
        apps = [{"app": app, "now": dict(now), "then": dict(then)} for app, now, then in self.apps[:limit]]
        return {
            "profile": self.profile.as_dict(),
            "now": self.now.as_dict(),
            "then": self.then.as_dict(),
            "elsewhere": self.elsewhere,
            "apps": apps,
            "apps_in_all": len(self.apps),
        }


def try_profile(nodes: Sequence[Node], running: Sequence[Running], profile: Profile) -> Trial:
    """How `running`, all of it on `nodes`, would be placed under the profile. Changes nothing."""
    here: dict[str, list[Running]] = {}
    for one in running:
        here.setdefault(one.node, []).append(one)
    cluster = Cluster([without(node, here.get(node.name, ())) for node in nodes], profile)
    ordered = sorted(running, key=lambda one: one.id)
    singles: dict[int, Request] = {}
    for one in ordered:
        singles.setdefault(id(one.request), replace(one.request, count=1))
    placed = cluster.place_many(singles[id(one.request)] for one in ordered)
    now = _where(ordered, [(one.node,) for one in ordered])
    then = _where(ordered, placed)
    apps = tuple((app, now[app], then.get(app, {})) for app in sorted(now) if now[app] != then.get(app, {}))
    return Trial(
        profile,
        _picture(State(nodes), now, len(running)),
        _picture(cluster.state, then, len(running)),
        sum((Counter(after) - Counter(before)).total() for _, before, after in apps),
        apps,
    )


def _where(running: Sequence[Running], nodes: Sequence[tuple[str, ...]]) -> Where:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one, names in zip(running, nodes, strict=True):
        found[one.request.app].update(names)
    return found


def _picture(state: State, where: Where, wanted: int) -> Picture:
    counts = [count for nodes in where.values() for count in nodes.values()]
    free = [(FULL - slack) * 100 // FULL for slack in state.slack[state.ready()].tolist()]
    return Picture(
        placed=sum(counts),
        pending=wanted - sum(counts),
        nodes_used=len({name for nodes in where.values() for name in nodes}),
        sharing=sum(count for count in counts if count > 1),
        fullest=max(free, default=0),
        emptiest=min(free, default=0),
    )
