"""What one pass of the loop costs on a cluster of many nodes: CPU time and queries, on SQLite and on PostgreSQL.

    ./berth bench reconcile [--nodes 10000] [--instances 100000] [--runs 20]

The nodes and the instances of other apps are rows in a database of the benchmark's own; engine and etcd are in memory.
A run asks for one more instance of an app and takes the pass that places, claims and starts it. `first` is a worker's
very first pass, which reads the whole cluster; the others read what changed. `whole` is what reading it all again would
cost each time. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GIB = 1 << 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="./berth bench reconcile", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--instances", type=int, default=100_000, help="of other apps (100000)")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.inside, options.nodes, options.instances, options.runs)
        return
    from tests import services

    run_inside("SQLite", {})
    with services.postgres() as server:
        run_inside("PostgreSQL", {"DATABASE_URL": server.url})


def run_inside(database: str, environment: dict[str, str]) -> None:
    """Go on in a process whose settings name the database, which the settings of this one no longer can."""
    from cryptography.fernet import Fernet

    with tempfile.TemporaryDirectory(prefix="berth-bench-") as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DATABASE_"))}
        env = {**kept, **environment, "BERTH_HOME": home, "BERTH_INSTALLATION": "be0c00"}
        env |= {"BERTH_SECRET_KEY": "benchmark" * 4, "BERTH_ENV_KEYS": Fernet.generate_key().decode()}
        env |= {"DJANGO_SETTINGS_MODULE": "cloud.settings", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--inside", database], env=env, check=True)


def measure(database: str, nodes: int, instances: int, runs: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.CELERY_BROKER_URL = "memory://"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    call_command("migrate", verbosity=0)
    fill(nodes, instances)

    from scheduler.store.cluster import KeptCluster
    from tests.web.scheduler import build
    from tests.web.scheduler.sim import Sim

    sim = Sim()
    sim.world = replace(sim.world, engine=lambda node: sim.engine)  # one for all nodes
    app = build.app(build.group("bench"), replicas=1)

    def one_more() -> tuple[float, int]:
        from apps.applications.models import App

        row = App.objects.get(pk=app.pk)
        build.deploy(row, replicas=row.next_generation + 1, update={"max_surge": 500})
        return place_once(app.pk, sim)

    first = place_once(app.pk, sim)
    later = [one_more() for _ in range(runs)]

    def whole() -> tuple[float, int]:
        sim.world = replace(sim.world, cluster=KeptCluster())
        return one_more()

    every_time = [whole() for _ in range(3)]
    common = {"figure": "reconcile", "database": database, "nodes": nodes, "instances": instances}
    for name, costs in (("first", [first]), ("later", later), ("whole", every_time)):
        seconds = statistics.median(seconds for seconds, _ in costs)
        queries = statistics.median(count for _, count in costs)
        line = {**common, "pass": name, "cpu_ms": round(seconds * 1000, 1), "queries": int(queries)}
        print(json.dumps({**line, "runs": len(costs)}), flush=True)


def place_once(app_id: int, sim: Any) -> tuple[float, int]:
    """What a pass costs that places something."""
    from apps.applications.models import Instance
    from scheduler import reconciler

    ours = Instance.objects.filter(app_id=app_id)
    before = ours.count()
    spent = cost(lambda: reconciler.one_pass(app_id, sim.world))
    if ours.count() == before:
        raise SystemExit("the pass placed nothing")
    return spent


def cost(work: Callable[[], None]) -> tuple[float, int]:
    """Seconds of this process's CPU, and queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        began = time.process_time()
        work()
        seconds = time.process_time() - began
    return seconds, len(queries)


def fill(nodes: int, instances: int) -> None:
    """Nodes of two cores and zones, with small instances of a thousand other apps spread over them."""
    from datetime import timedelta

    from django.utils import timezone

    from apps.applications.models import App, Instance, Release
    from apps.groups.models import Group
    from apps.nodes.models import Node

    long_ago = timezone.now() - timedelta(days=1)
    size = {"capacity_cpu": 32_000, "capacity_memory": 64 * GIB, "capacity_disk": 500 * GIB, "capacity_instances": 500}
    each = instances // nodes
    held = {"reserved_cpu": 100 * each, "reserved_memory": (64 << 20) * each, "reserved_instances": each}
    Node.objects.bulk_create(
        [
            Node(
                name=f"n{number}",
                engine_url=f"fake://n{number}",
                labels={"zone": f"z{number % 10}"},
                reachable=True,
                changed_at=long_ago,
                **size,
                **held,
            )
            for number in range(nodes)
        ],
        batch_size=1000,
    )
    group = Group.objects.create(name="others", subnet="10.64.0.0/10", quota_cpu=1, quota_memory=1, quota_disk=1,
                                 quota_instances=1)  # fmt: skip
    apps = App.objects.bulk_create([App(group=group, name=f"a{n}", settled=True) for n in range(1000)])
    releases = Release.objects.bulk_create(
        [Release(app=app, number=1, spec={}, digest="sha256:0", env=b"", template="t") for app in apps]
    )
    ids = list(Node.objects.order_by("id").values_list("id", flat=True))
    made = (
        Instance(
            app=apps[n % 1000], group=group, release=releases[n % 1000], node_id=ids[n % nodes], slot=n // 1000,
            generation=n // 1000, template="t", address=f"10.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}", cpu=100,
            memory=64 << 20, disk=0, state="healthy", process="running", since=long_ago, created_at=long_ago,
        )
        for n in range(each * nodes)
    )  # fmt: skip
    Instance.objects.bulk_create(made, batch_size=2000)


if __name__ == "__main__":
    main()
