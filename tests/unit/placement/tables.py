"""Cases as data: cases/*.toml, a table a case.

nodes     by name, each with what is not as with all others: 4 cores, 4 GiB, 100 GiB of disk, 100 instances; `used` is
          what is reserved of them, `apps` the instances that stay, by app. Memory and disk are in MiB. A taint is
          "key=value", "key" or, a soft one, "?key". A device is "name", "name model" or "name * what is free of it".
request   of the app `web`, one instance of 0.1 cores and 100 MiB unless it says otherwise. "db zone" in `with` and
          `apart` is the app db at the level of zones, "db" at that of nodes.
profile   a preset; `spread` when none is given
placed    instances by node; all others wait
refused   filters that refuse, by node, the next instance when some wait, else the last one; the other nodes take it
remedies  what the explanation offers, in this order
devices   of each placed instance, positions in the node's list
summary   of the explanation
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
KNOWN = {"nodes", "request", "profile", "placed", "refused", "remedies", "devices", "summary"}

Table = dict[str, Any]


def tables() -> Iterator[tuple[str, Table]]:
    """Every case with its name. Raises `ValueError` for what no case may have."""
    for path in sorted((Path(__file__).parent / "cases").glob("*.toml")):
        for name, case in tomllib.loads(path.read_text()).items():
            _nothing_else(dict.fromkeys(case.keys() - KNOWN))
            yield f"{path.stem}: {name}", case


def node_of(name: str, table: Table) -> Node:
    table = dict(table)
    used = table.pop("used", {})
    found = Node(
        name,
        table.pop("labels", {}),
        table.pop("state", "ready"),
        amounts({resource: table.pop(resource, figure) for resource, figure in CAPACITY.items()}),
        amounts(used),
        images={image: mib * MIB for image, mib in table.pop("images", {}).items()},
        apps=table.pop("apps", {}),
        taints=tuple(map(_taint, table.pop("taints", ()))),
        devices=tuple(map(_device, table.pop("devices", ()))),
        ports=frozenset(table.pop("ports", ())),
        volumes=frozenset(table.pop("volumes", ())),
    )
    _nothing_else(table)
    return found


CAPACITY = {"cpu": 4000, "memory": 4096, "disk": 100 << 10, "instances": 100}


def amounts(table: Table) -> Resources:
    mib = {name: figure * MIB if name in ("memory", "disk") else figure for name, figure in table.items()}
    return Resources(**mib)


def request_of(table: Table) -> Request:
    table = dict(table)
    rules = PlacementRules(
        tuple(table.pop("spread", ("node",))),
        tuple(table.pop("require", ())),
        tuple(table.pop("prefer", ())),
        Distinct(table.pop("distinct_nodes", "preferred")),
    )
    size = {"cpu": 100, "memory": 100} | {name: table.pop(name) for name in CAPACITY if name in table}
    found = Request(
        "web",
        "group",
        amounts({"instances": 1, **size}),
        table.pop("count", 1),
        rules,
        image=table.pop("image", ""),
        avoid=frozenset(table.pop("avoid", ())),
        stay=frozenset(table.pop("stay", ())),
        kept=frozenset(table.pop("kept", ())),
        preferences=tuple(map(_preference, table.pop("preferences", ()))),
        constraints=_constraints(table),
    )
    _nothing_else(table)
    return found


def _preference(table: Table) -> Preference:
    found = Preference(
        require=tuple(table.pop("require", ())), weight=table.pop("weight", 1), constraints=_constraints(table)
    )
    _nothing_else(table)
    return found


def _constraints(table: Table) -> Constraints:
    """What is said of constraints; taken out of the table."""
    return Constraints(
        nodes=frozenset(table.pop("nodes", ())),
        tolerations=tuple(map(_toleration, table.pop("tolerations", ()))),
        skews=tuple(Skew(label, most) for label, most in table.pop("skews", {}).items()),
        at_most=tuple(AtMost(label, most) for label, most in table.pop("at_most", {}).items()),
        affinities=tuple(
            Affinity(bond, *text.split()) for bond in (Bond.WITH, Bond.APART) for text in table.pop(bond.value, ())
        ),
        ports=frozenset(table.pop("ports", ())),
        volumes=frozenset(table.pop("volumes", ())),
        devices=tuple(
            DeviceRequest(**{**wanted, "models": frozenset(wanted.get("models", ()))})
            for wanted in table.pop("devices", ())
        ),
    )


def _taint(text: str) -> Taint:
    key, _, value = text.removeprefix("?").partition("=")
    return Taint(key, value, soft=text.startswith("?"))


def _toleration(text: str) -> Toleration:
    key, equals, value = text.partition("=")
    return Toleration(key, value if equals else None)


def _device(text: str) -> Device:
    text, _, free = text.partition(" * ")
    return Device(*text.split(), free=int(free or 1000))


def _nothing_else(table: Table) -> None:
    if table:
        raise ValueError(f"a case knows no {', '.join(sorted(table))}")
