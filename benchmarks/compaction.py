"""How few nodes a workload of CPU and memory fits on, against a lower bound.

    python benchmarks/compaction.py [--seeds N] [--profile NAME]

The method is that of cell compaction (Verma et al., "Large-scale cluster management at Google with Borg", EuroSys
2015): nodes are taken away until the workload, placed anew, no longer fits. One JSON line a case and order:

fewest       nodes on which all instances fit, `arrival` as they come or `largest` first
lower_bound  no placement needs fewer: small cases are solved as a mixed integer program (scipy, HiGHS), whose dual
             bound holds even when time runs out; for large ones it is what the sums of CPU and memory demand
over         by how many percent `fewest` exceeds it
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import PRESETS, Cluster, Node, Profile, Request

MIB = 1 << 20
RULES = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)
CPU, MEMORY = 16_000, 64 * 1024  # of a node, in thousandths of a core and MiB
SOLVING = 20.0  # seconds a case
# shapes of instances, in shares of a node: what machines of a cloud are cut into, lean and fat in memory
SHAPES = tuple(
    (cpu, memory)
    for cpu in (500, 1000, 2000, 4000, 6000)
    for memory in (cpu // 500 * 512, cpu // 500 * 2048, cpu // 500 * 4096)
)

Shape = tuple[int, int]


def workload(instances: int, kinds: int, rng: random.Random) -> list[Shape]:
    chosen = rng.sample(SHAPES, kinds)
    return rng.choices(chosen, weights=[1 / cpu for cpu, _ in chosen], k=instances)


def fits(shapes: list[Shape], nodes: int, profile: Profile) -> bool:
    cluster = Cluster(
        [
            Node(f"node-{n:04d}", {}, "ready", Resources(CPU, MEMORY * MIB, 0, 10_000), Resources())
            for n in range(nodes)
        ],
        profile,
    )
    requests = {
        shape: Request(f"compaction/{k}", "compaction", Resources(shape[0], shape[1] * MIB, 0, 1), 1, RULES)
        for k, shape in enumerate(sorted(set(shapes)))
    }
    return all(cluster.place_many(requests[shape] for shape in shapes))


def fewest(shapes: list[Shape], at_least: int, profile: Profile) -> int:
    """Found by bisection, as if no placement on more nodes failed."""
    least, most, step = at_least, at_least, 1
    while not fits(shapes, most, profile):
        least, most, step = most + 1, most + step, 2 * step
    while least < most:
        middle = (least + most) // 2
        if fits(shapes, middle, profile):
            most = middle
        else:
            least = middle + 1
    return most


def demanded(shapes: list[Shape]) -> int:
    """What the sums of CPU and memory demand."""
    return max(math.ceil(sum(s[0] for s in shapes) / CPU), math.ceil(sum(s[1] for s in shapes) / MEMORY))


def solved(shapes: list[Shape], most: int) -> int:
    """The dual bound of the program: x[shape, node] instances on nodes of which y[node] are in use, fewest in use."""
    counts = sorted(Counter(shapes).items())
    kinds, width = len(counts), len(counts) + 1  # a node's x of each kind, then its y
    rows, upper, lower = [], [], []
    for k, (_, count) in enumerate(counts):
        row = np.zeros(most * width)
        row[k::width] = 1
        rows.append(row)
        lower.append(count)
        upper.append(count)
    for node in range(most):
        for resource, capacity in enumerate((CPU, MEMORY)):
            row = np.zeros(most * width)
            row[node * width : node * width + kinds] = [shape[resource] for shape, _ in counts]
            row[node * width + kinds] = -capacity
            rows.append(row)
            lower.append(-np.inf)
            upper.append(0)
        if node:  # nodes are alike: the first ones are used first
            row = np.zeros(most * width)
            row[node * width + kinds] = 1
            row[(node - 1) * width + kinds] = -1
            rows.append(row)
            lower.append(-np.inf)
            upper.append(0)
    cost = np.zeros(most * width)
    cost[kinds::width] = 1
    bounds = np.array([*(count for _, count in counts), 1] * most)
    found = milp(
        cost,
        integrality=np.ones(most * width),
        bounds=Bounds(0, bounds),
        constraints=LinearConstraint(np.array(rows), lower, upper),
        options={"time_limit": SOLVING},
    )
    return max(demanded(shapes), math.ceil(found.mip_dual_bound - 1e-6))


def cases(seeds: int) -> Iterator[tuple[str, list[Shape], bool]]:
    for seed in range(seeds):
        yield f"small-{seed}", workload(60, 6, random.Random(seed)), True
    for seed in range(seeds):
        yield f"large-{seed}", workload(5000, len(SHAPES), random.Random(seed)), False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--profile", choices=sorted(PRESETS), default="binpack")
    options = parser.parse_args()
    profile = PRESETS[options.profile]
    for case, shapes, small in cases(options.seeds):
        at_least = demanded(shapes)
        orders = {"arrival": shapes, "largest": sorted(shapes, key=lambda s: -max(s[0] / CPU, s[1] / MEMORY))}
        needed = {}
        for order, arriving in orders.items():
            begun = time.perf_counter()
            needed[order] = fewest(arriving, at_least, profile), time.perf_counter() - begun
        bound = solved(shapes, min(nodes for nodes, _ in needed.values())) if small else at_least
        for order, (nodes, seconds) in needed.items():
            line: dict[str, Any] = {"case": case, "profile": options.profile, "order": order, "instances": len(shapes)}
            line |= {"fewest": nodes, "lower_bound": bound, "over": round(100 * (nodes / bound - 1), 2)}
            rate = len(shapes) * (nodes - at_least + 1) / seconds
            print(json.dumps(line | {"placements_per_s": round(rate, 1)}), flush=True)


if __name__ == "__main__":
    main()
