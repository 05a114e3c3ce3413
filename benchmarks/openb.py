"""How much of a GPU cluster gets allocated: the published method on workloads of the openb format.

    python benchmarks/openb.py --nodes FILE --pods FILE --seeds N --profile NAME

The pods are shuffled (seeds 42, 43, …), resampled at random until their GPU demand is 130 % of the cluster's GPUs, and
placed in order; nothing departs, what fits nowhere is skipped. One JSON line a seed: the share of all GPU thousandths
that is allocated when 95, 100 and 130 % of them have been asked for, in percent.

nodes: `sn,cpu_milli,memory_mib,gpu,model`; pods: `name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scheduler.model import Distinct, PlacementRules, Resources
from scheduler.placement import PRESETS, Cluster, Constraints, Device, DeviceRequest, Node, Request

MIB = 1 << 20
WHOLE = 1000
FIRST_SEED = 42
MARKS = (95, 100, 130)
RULES = PlacementRules(spread=(), distinct_nodes=Distinct.OFF)


def read_nodes(path: Path) -> list[Node]:
    with path.open(newline="") as file:
        return [
            Node(
                row["sn"],
                {"model": row["model"]},
                "ready",
                Resources(int(row["cpu_milli"]), int(row["memory_mib"]) * MIB, 0, 10_000),
                Resources(),
                devices=tuple(Device("gpu", row["model"]) for _ in range(int(row["gpu"]))),
            )
            for row in csv.DictReader(file)
        ]


def read_pods(path: Path) -> list[tuple[Request, int]]:
    """Each pod with the GPU thousandths that it asks for. Equal pods are one request."""
    known: dict[tuple[int, int, int, int, str], tuple[Request, int]] = {}
    pods = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            count = int(row["num_gpu"])
            share = int(row["gpu_milli"]) if count == 1 else WHOLE
            spec = (row.get("gpu_spec") or "") if count else ""
            shape = (int(row["cpu_milli"]), int(row["memory_mib"]), count, share, spec)
            if shape not in known:
                known[shape] = request_of(len(known), *shape), count * share
            pods.append(known[shape])
    return pods


def request_of(number: int, cpu: int, memory: int, count: int, share: int, spec: str) -> Request:
    models = frozenset(model for model in spec.split("|") if model)
    devices = (DeviceRequest("gpu", count, share, models),) if count else ()
    resources = Resources(cpu, memory * MIB, 0, 1)
    return Request(f"openb/{number}", "openb", resources, 1, RULES, constraints=Constraints(devices=devices))


def arrivals(pods: list[tuple[Request, int]], capacity: int, seed: int) -> list[tuple[Request, int]]:
    rng = random.Random(seed)
    order = list(pods)
    rng.shuffle(order)
    demand = sum(gpu for _, gpu in order)
    while demand * 100 < capacity * MARKS[-1]:
        order.append(rng.choice(pods))
        demand += order[-1][1]
    return order


def run(nodes: list[Node], pods: list[tuple[Request, int]], seed: int, profile: str) -> dict[str, float]:
    capacity = sum(WHOLE * len(node.devices) for node in nodes)
    order = arrivals(pods, capacity, seed)
    cluster = Cluster(nodes, PRESETS[profile])
    begun = time.perf_counter()
    placed = cluster.place_many(request for request, _ in order)
    seconds = time.perf_counter() - begun
    figures: dict[str, float] = {}
    marks = list(MARKS)
    arrived = allocated = 0
    for (_, gpu), nodes_of in zip(order, placed, strict=True):
        arrived += gpu
        allocated += gpu * bool(nodes_of)
        while marks and arrived * 100 >= capacity * marks[0]:
            figures[f"allocated_{marks.pop(0)}"] = round(100 * allocated / capacity, 3)
    figures["placements_per_s"] = round(sum(map(bool, placed)) / seconds, 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=Path, required=True)
    parser.add_argument("--pods", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--profile", choices=sorted(PRESETS), default="fragmentation")
    options = parser.parse_args()
    nodes, pods = read_nodes(options.nodes), read_pods(options.pods)
    if not any(gpu for _, gpu in pods) or not any(node.devices for node in nodes):
        parser.error("without GPUs, and pods that ask for them, there is nothing to allocate")
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        figures = run(nodes, pods, seed, options.profile)
        line = {"workload": options.pods.name, "profile": options.profile, "seed": seed, **figures}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
