"""`./berth status`: what runs, what does not and why. Exit code 0 when everything runs, 1 otherwise."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from cloud import config
from cloud.supervisor import view


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./berth status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print it for programs")
    options = parser.parse_args(arguments)
    berth = config.read()
    seen = view.look(berth)
    if options.json:
        value = {"home": str(berth.home), "ok": seen.ok, **asdict(seen)}
        sys.stdout.write(json.dumps(value, indent=1) + "\n")
    else:
        sys.stdout.write(_table(berth, seen))
    return 0 if seen.ok else 1


def _table(berth: config.Config, seen: view.View) -> str:
    head = f"up, panel at {seen.panel}" if seen.up else "down"
    rows = [("", "STATE", "PID", "SINCE", "RESTARTS", "MEMORY", "")]
    rows += [
        (
            line.name,
            line.state,
            str(line.pid or ""),
            _ago(line.since),
            str(line.restarts or ""),
            f"{line.memory / (1 << 20):.0f} MiB" if line.memory else "",
            line.why or line.address,
        )
        for line in seen.lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [
        f"  {name:{widths[0]}}  {state:{widths[1]}}  {pid:>{widths[2]}}  {since:>{widths[3]}}  "
        f"{restarts:>{widths[4]}}  {memory:>{widths[5]}}  {rest}".rstrip()
        for name, state, pid, since, restarts, memory, rest in rows
    ]
    more = [f"For docker: export DOCKER_HOST={seen.docker_host}"] if seen.docker_host else []
    if seen.differs:
        more.append(f"This environment has other settings than it was started with: {'; '.join(seen.differs)}")
    return "\n".join([f"Berth in {berth.home} is {head}", *more, "", *lines, ""])


def _ago(since: float | None) -> str:
    """How long that is, in the unit that says it shortest."""
    if since is None:
        return ""
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
