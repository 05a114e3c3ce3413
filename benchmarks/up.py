"""`./berth up` in a fresh clone: seconds of the first and the second start with warm package caches, and idle memory.

    ./berth bench up [--idle 30]

The clone is of what is committed, with a Berth home and ports of its own, on the machine's Docker Engine or one of
Berth's own. The first start makes the Python environment, database and secrets and deploys the demo app. Memory is the
PSS of every process, some seconds after the second start; an engine that Berth did not start is not counted. One JSON
line a figure. Everything is removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from cloud.embedded import free_port
from cloud.supervisor.specs import ROOT

PORTS = (
    "BERTH_PORT",
    "BERTH_HTTP_PORT",
    "BERTH_HTTPS_PORT",
    "BERTH_ETCD_PORT",
    "BERTH_ETCD_PEER_PORT",
    "BERTH_REGISTRY_PORT",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./berth bench up", description=__doc__)
    parser.add_argument("--idle", type=float, default=30, help="seconds between the start and the look at memory (30)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="berth-up-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        ours = ("BERTH_", "DATABASE_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        ports = {name: str(free_port()) for name in PORTS}
        env = {**kept, **ports, "BERTH_HOME": f"{folder}/home", "BERTH_SUBNETS": "10.200.0.0/16"}
        berth = Berth(clone, env)
        try:
            figure("first start", berth.up(), "s")
            berth("down")
            figure("second start", berth.up(), "s")
            time.sleep(options.idle)  # to be idle is to have had time to settle
            memory(berth)
        finally:
            berth("down", "--all", "--yes")


class Berth:
    """The clone's command line."""

    def __init__(self, clone: Path, env: dict[str, str]) -> None:
        self.clone, self.env = clone, env

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.clone / "berth"), *arguments], env=self.env, check=False, text=True, capture_output=True
        )
        if done.returncode:
            raise SystemExit(f"./berth {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> float:
        """Seconds until everything is up and the demo app has answered."""
        began = time.monotonic()
        self("up", "--detach")
        return time.monotonic() - began


def memory(berth: Berth) -> None:
    lines = json.loads(berth("status", "--json"))["lines"]
    counted = {line["name"]: line["memory"] / (1 << 20) for line in lines if line["memory"]}
    for name, mebibytes in counted.items():
        figure(f"idle memory of {name}", mebibytes, "MiB")
    figure("idle memory in sum", sum(counted.values()), "MiB")


def figure(name: str, value: float, unit: str) -> None:
    print(json.dumps({"benchmark": "up", "figure": name, "value": round(value, 2), "unit": unit}), flush=True)


if __name__ == "__main__":
    main()
