"""Random nodes and requests, small enough that every rule bites."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import (
    Affinity,
    AtMost,
    Bond,
    Constraints,
    Device,
    DeviceRequest,
    Node,
    Preference,
    Request,
    Skew,
    Taint,
    Toleration,
)

MIB = 1 << 20
GIB = 1 << 30
APPS = ("g/a", "g/b", "g/c")
DEVICES = (DeviceRequest("gpu", 1, 300), DeviceRequest("gpu", 2), DeviceRequest("gpu", 1, 1000, frozenset({"t4"})))
EXPRESSIONS = ("disk == ssd", "zone != a", "zone in (a, b)", "exists gpu", "not exists gpu", "cores > 4", "node != n01")


def some_node(rng: Random, name: str, *, plain: bool = False) -> Node:
    labels = {"zone": rng.choice("abc"), "disk": rng.choice(("ssd", "hdd")), "cores": rng.choice(("2", "8"))}
    if rng.random() < 0.3:
        labels["gpu"] = "yes"
    if rng.random() < 0.15:
        del labels["zone"]
    allocatable = Resources(rng.choice((1000, 2000, 4000)), rng.choice((1, 2, 4)) * GIB, 20 * GIB, rng.choice((4, 20)))
    apps = {app: rng.choice((0, 0, 1, 2)) for app in APPS}
    used = sum(apps.values())
    reserved = Resources(100 * used, 64 * MIB * used, 0, used)
    if plain:
        return Node(name, labels, "ready", allocatable, reserved, apps=apps)
    return Node(
        name,
        labels,
        rng.choice(("ready",) * 8 + ("cordoned", "down")),
        allocatable,
        reserved,
        images=dict.fromkeys(rng.sample(("i1", "i2"), rng.randrange(3)), 0),  # of unknown size
        apps=apps,
        taints=(Taint("only", rng.choice(("db", "ci")), soft=rng.random() < 0.5),) if rng.random() < 0.4 else (),
        devices=tuple(
            Device("gpu", rng.choice(("v100", "t4")), rng.choice((1000, 1000, 500, 0))) for _ in range(rng.randrange(3))
        ),
        ports=frozenset({80} if rng.random() < 0.2 else ()),
        volumes=frozenset({"data"} if rng.random() < 0.5 else ()),
    )


def some_nodes(rng: Random, most: int = 6, *, plain: bool = False) -> list[Node]:
    return [some_node(rng, f"n{n:02d}", plain=plain) for n in range(rng.randint(1, most))]


def some_constraints(rng: Random, *, plain: bool = False, skews: bool = True) -> Constraints:
    def now_and_then(chance: float, value):
        return (value,) if rng.random() < chance else ()

    return Constraints(
        skews=now_and_then(0.25 if skews else 0, Skew("zone", rng.choice((1, 2)))),
        at_most=(
            *now_and_then(0.15, AtMost("node", rng.choice((1, 3)))),
            *now_and_then(0.15, AtMost("zone", rng.choice((2, 5)))),
        ),
        affinities=(
            *now_and_then(0.15, Affinity(Bond.APART, rng.choice(APPS), rng.choice(("node", "zone", "disk")))),
            *now_and_then(0.15, Affinity(Bond.WITH, rng.choice(APPS), rng.choice(("node", "zone", "disk")))),
        ),
        tolerations=now_and_then(0.3, Toleration("only", rng.choice((None, "db")))),
        nodes=frozenset() if plain or rng.random() < 0.9 else frozenset({"n00", "n02"}),
        ports=frozenset({80} if not plain and rng.random() < 0.1 else ()),
        volumes=frozenset({"data"} if not plain and rng.random() < 0.1 else ()),
        devices=now_and_then(0 if plain else 0.2, rng.choice(DEVICES)),
    )


def some_request(rng: Random, count: int | None = None, *, plain: bool = False, skews: bool = True) -> Request:
    rules = PlacementRules(
        spread=rng.choice((("node",), ("node",), (), ("node", "zone"))),
        require=tuple(rng.sample(EXPRESSIONS, rng.choice((0, 0, 1)))),
        prefer=tuple(rng.sample(EXPRESSIONS, rng.choice((0, 0, 1, 2)))),
        distinct_nodes=rng.choice((Distinct.PREFERRED, Distinct.OFF, Distinct.OFF, Distinct.REQUIRED)),
    )
    return Request(
        rng.choice(APPS),
        "g",
        Resources(rng.choice((0, 100, 250, 900)), rng.choice((64, 200, 500)) * MIB, rng.choice((0, GIB)), 1),
        rng.randint(1, 12) if count is None else count,
        rules,
        image=rng.choice(("", "i1", "i2")),
        avoid=frozenset({"n00"} if rng.random() < 0.2 else ()),
        stay=frozenset({"n01"} if rng.random() < 0.2 else ()),
        constraints=some_constraints(rng, plain=plain, skews=skews),
        preferences=tuple(some_preference(rng, plain=plain) for _ in range(rng.choice((0, 0, 0, 1, 2)))),
        kept=frozenset({"n02"} if rng.random() < 0.1 else ()),
    )


def some_preference(rng: Random, *, plain: bool = False) -> Preference:
    """Any constraint may be preferred. The larger weights are odd, so that shares are rounded."""
    require = tuple(rng.sample(EXPRESSIONS, rng.choice((0, 1))))
    constraints = replace(some_constraints(rng, plain=plain), ports=frozenset())
    return Preference(constraints, require, rng.choice((1, 3, 7)))
