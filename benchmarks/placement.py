"""How fast the placement is. One JSON line a case; one core, nothing but the placement itself is timed.

    python benchmarks/placement.py [--only PART_OF_A_CASE]

singles     instances one by one, in random order of 64 or 512 kinds: four resources, labels, hard spread over 10 zones
            and anti-affinity to another app; on 10,000 nodes, and as a curve over the number of nodes
groups      Nomad's C1M and C2M challenges: many jobs of 1,000 instances
kube        the cases of kube-scheduler's own performance tests, with the floor that its CI demands
explanation of one pending app over 10,000 nodes
memory      with a million instances on 10,000 nodes
refresh     one of 10,000 nodes has changed, and one instance is placed
preempt     room for one more on 5,000 nodes with 200,000 instances; and rebalance: 20 moves to a node that joined them
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import (
    Affinity,
    AtMost,
    Bond,
    Cluster,
    Constraints,
    Node,
    Preemption,
    Preference,
    Request,
    Running,
    Skew,
    preempt,
    rebalance,
)

MIB, GIB = 1 << 20, 1 << 30
ZONES = 10
CURVE = 20_000  # placements at least, by which a point of the curve is measured
LOOSE = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)

Figures = dict[str, Any]


def nodes(count: int, zones: int = ZONES) -> list[Node]:
    """Machines of three sizes, in zones, some with SSDs."""
    sizes = ((16, 64), (32, 128), (64, 256))
    return [
        Node(
            f"node-{n:05d}",
            {"zone": f"zone-{n % zones}", "disk": "ssd" if n % 3 else "hdd", "rack": f"rack-{n // 40}"},
            "ready",
            Resources(sizes[n % 7 % 3][0] * 1000, sizes[n % 7 % 3][1] * GIB, 2000 * GIB, 250),
            Resources(),
        )
        for n in range(count)
    ]


def kinds(count: int) -> list[Request]:
    rng = random.Random(1)
    return [
        Request(
            f"group/app-{k}",
            "group",
            Resources(
                rng.choice((100, 250, 500, 1000)),
                rng.choice((64, 128, 256, 512, 1024)) * MIB,
                rng.choice((1, 2, 5)) * GIB,
                1,
            ),
            1,
            PlacementRules(require=("disk == ssd",) if k % 2 else ()),
            constraints=Constraints(
                skews=(Skew("zone", 1),), affinities=(Affinity(Bond.APART, f"group/app-{(k + 1) % count}"),)
            ),
        )
        for k in range(count)
    ]


def line(case: str, nodes: int, placements: int, seconds: float, **more: Any) -> Figures:
    rate = round(placements / seconds, 1)
    return {"case": case, "nodes": nodes, "placements": placements, "placements_per_s": rate, **more}


def timed(work: Callable[[], list[tuple[str, ...]]]) -> tuple[int, float]:
    """Placements and seconds."""
    begun = time.perf_counter()
    placed = work()
    seconds = time.perf_counter() - begun
    return sum(map(len, placed)), seconds


def singles(size: int, of: int, placements: int) -> Figures:
    cluster, requests = Cluster(nodes(size)), kinds(of)
    order = random.Random(2).choices(requests, k=placements)
    placed, seconds = timed(lambda: cluster.place_many(order))
    return line(f"singles-{of}-kinds", size, placed, seconds, us_per_placement=round(seconds / placed * 1e6, 1))


def curve(size: int) -> Figures:
    """The same load for every node; each kind has been placed once before, so that no start is measured."""
    requests = kinds(64)
    placed, seconds = 0, 0.0
    for seed in range(max(1, CURVE // (5 * size))):
        cluster = Cluster(nodes(size))
        cluster.place_many(requests)
        order = random.Random(seed).choices(requests, k=5 * size)
        more, took = timed(lambda cluster=cluster, order=order: cluster.place_many(order))
        placed, seconds = placed + more, seconds + took
    return line("curve-64-kinds", size, placed, seconds, us_per_placement=round(seconds / placed * 1e6, 1))


def groups(case: str, size: int, jobs: int) -> Figures:
    shape = Resources(20, 20 * MIB, 0, 1)
    cluster = Cluster([replace(node, allocatable=Resources(32_000, 128 * GIB, GIB, 1000)) for node in nodes(size)])
    requests = [Request(f"group/job-{j}", "group", shape, 1000, LOOSE) for j in range(jobs)]
    placed, seconds = timed(lambda: cluster.place_many(requests))
    return line(case, size, placed, seconds, in_all_s=round(seconds, 2))


def kube() -> Iterator[Figures]:
    zone = ("zone-0", "zone-1", "zone-2")
    pod = Request("kube/pod", "kube", Resources(100, 500 * MIB, 0, 1), 1, LOOSE)

    def wish(bond: Bond) -> Preference:
        return Preference(Constraints(affinities=(Affinity(bond, pod.app),)))

    cases = {
        "basic": (pod, 810, 10_000),
        "node-affinity": (
            replace(pod, rules=replace(LOOSE, require=(f"zone in ({zone[0]}, {zone[1]})",))),
            220,
            10_000,
        ),
        "hard-spread": (replace(pod, constraints=Constraints(skews=(Skew("zone", 5),))), 460, 5000),
        "anti-affinity": (replace(pod, constraints=Constraints(at_most=(AtMost("node", 1),))), 60, 2000),
        "affinity": (
            replace(pod, constraints=Constraints(affinities=(Affinity(Bond.WITH, pod.app, "zone"),))),
            35,
            5000,
        ),
        "preferred-affinity": (replace(pod, preferences=(wish(Bond.WITH),)), 90, 5000),
        "preferred-anti-affinity": (replace(pod, preferences=(wish(Bond.APART),)), 90, 5000),
    }
    for case, (request, floor, measured) in cases.items():
        cluster = Cluster(nodes(5000, zones=len(zone)))
        cluster.place_many([pod if case != "anti-affinity" else request] * 1000)
        placed, seconds = timed(
            lambda cluster=cluster, request=request, of=measured: cluster.place_many([request] * of)
        )
        times = round(placed / seconds / floor, 1)
        yield line(f"kube-{case}", 5000, placed, seconds, floor=floor, times_floor=times)


def explanation() -> Figures:
    cluster = Cluster(nodes(10_000))
    pending = replace(kinds(2)[1], resources=Resources(65_000, GIB, GIB, 1))
    cluster.place_many([kinds(2)[0]] * 1000)
    cluster.explain(replace(pending, app="group/warm"))
    begun = time.perf_counter()
    shown = cluster.explain(pending).as_dict()
    seconds = time.perf_counter() - begun
    assert shown["pending"] == 1
    return line("explanation", 10_000, 1, seconds, ms=round(seconds * 1000, 2))


def memory() -> Figures:
    """A million instances of 4,000 apps; the process holds nothing else."""
    cluster = Cluster([replace(node, allocatable=Resources(64_000, 256 * GIB, GIB, 500)) for node in nodes(10_000)])
    requests = [
        Request(f"group/app-{a}", "group", Resources(20, 20 * MIB, 0, 1), 250, PlacementRules()) for a in range(4000)
    ]
    placed, seconds = timed(lambda: cluster.place_many(requests))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return line("memory-1M-instances", 10_000, placed, seconds, peak_mib=round(peak, 1))


def refresh() -> Iterator[Figures]:
    cluster, requests = Cluster(nodes(10_000)), kinds(64)
    cluster.place_many(random.Random(2).choices(requests, k=10_000))
    changes: dict[str, Callable[[Node], Node]] = {
        "figures": lambda node: replace(node, reserved=Resources(1000, GIB, GIB, 1), apps={"group/app-1": 1}),
        "image": lambda node: replace(node, images={**node.images, "sha256:1": GIB}),
        "state": lambda node: replace(node, state="cordoned"),
        "joins": lambda node: replace(node, name=f"{node.name}-b"),
    }
    for change, changed in changes.items():
        some = random.Random(3).sample(cluster.nodes, 20)
        placed, seconds = timed(
            lambda some=some, changed=changed: [
                names
                for node, request in zip(some, requests, strict=False)
                for names in (cluster.refresh([changed(node)]), *cluster.place_many([request]))
                if names
            ]
        )
        yield line(f"refresh-{change}", 10_000, placed, seconds, ms=round(seconds / 20 * 1000, 3))


def preemption_and_moves() -> Iterator[Figures]:
    rng, size = random.Random(1), 5000
    cluster = Cluster(
        [replace(node, allocatable=Resources(32_000, 128 * GIB, 2000 * GIB, 250)) for node in nodes(size)]
    )
    running: list[Running] = []
    for app in range(200):
        shape = Resources(rng.choice((250, 500, 1000)), rng.choice((1, 2, 4)) * GIB, GIB, 1)
        rules = LOOSE if app % 2 else PlacementRules()
        request = Request(f"group/app-{app}", "group", shape, 1, rules, priority=rng.randrange(3))
        names = cluster.place(replace(request, count=1000)).nodes
        running += [Running(len(running) + k, request, name) for k, name in enumerate(names)]
    urgent = Request("group/urgent", "group", Resources(20_000, 10 * GIB, 0, 1), 1, LOOSE, priority=2)
    found, seconds = timed(lambda: [(preempt(cluster.nodes, running, urgent) or Preemption("", (), ())).displaced])
    yield line("preempt", size, 1, seconds, instances=len(running), displaced=found, s=round(seconds, 2))
    joined = [*cluster.nodes, replace(nodes(1)[0], name="node-new")]
    moves, seconds = timed(lambda: [tuple(move.target for move in rebalance(joined, running, 20))])
    yield line("rebalance", size, moves, seconds, instances=len(running), s=round(seconds, 2))


def cases() -> dict[str, Callable[[], Iterator[Figures]]]:
    def one(work: Callable[[], Figures]) -> Callable[[], Iterator[Figures]]:
        return lambda: iter([work()])

    found = {
        "singles-64-kinds": one(lambda: singles(10_000, 64, 50_000)),
        "singles-512-kinds": one(lambda: singles(10_000, 512, 50_000)),
        "c1m": one(lambda: groups("c1m", 5000, 1000)),
        "c2m": one(lambda: groups("c2m", 6100, 2000)),
        "kube": kube,
        "explanation": one(explanation),
        "memory": one(memory),
        "refresh": refresh,
        "preempt": preemption_and_moves,
    }
    for size in (100, 1000, 10_000, 50_000):
        found[f"curve-{size}"] = one(lambda size=size: curve(size))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the case's name")
    parser.add_argument("--here", default="", help="one case, in this process; else each has one of its own")
    options = parser.parse_args()
    for name, case in cases().items():
        if options.here == name:
            for figures in case():
                print(json.dumps(figures), flush=True)
        elif not options.here and options.only in name:
            subprocess.run([sys.executable, __file__, "--here", name], check=True)


if __name__ == "__main__":
    main()
