"""Process state, the edges' probes and the container's own health command, judged together.

The edges probe along the path that traffic takes, so theirs is the verdict that counts; the engine's is a reason to
say no before they do.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from scheduler.model import Edge, ExecHealth, Instance, Process
from scheduler.placement.units import amount


class Verdict(enum.Enum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody can tell: what was known before still holds


@dataclass(frozen=True, slots=True)
class Health:
    verdict: Verdict
    detail: str = ""  # in the words of whoever gave the verdict


def judge(instance: Instance, edges: Collection[Edge]) -> Health:
    """Whether the instance serves; the first rule that matches decides.

    It is up when every live edge says so, since each of them will send it requests, and down only when every one
    says so: an edge that alone cannot reach it is an edge with a problem, and replacing the instance would not help.
    """
    if instance.process in (Process.EXITED, Process.MISSING, Process.PAUSED, Process.RESTARTING):
        short = f"out of memory: limit {amount('memory', instance.claim.memory)}, " if instance.oom_killed else ""
        return Health(Verdict.DOWN, f"{short}its process is {instance.process}")
    if instance.exec_health is ExecHealth.UNHEALTHY:
        return Health(Verdict.DOWN, "its own health command fails")
    if instance.exec_health is ExecHealth.STARTING:
        return Health(Verdict.UNKNOWN, "its own health command has not passed yet")
    if not edges:
        return Health(Verdict.UNKNOWN, "no edge is alive to probe it")
    names = {edge.name for edge in edges}
    probes = [probe for probe in instance.probes if probe.edge in names]
    down = [probe for probe in probes if not probe.up]
    if len(probes) < len(names):
        silent = sorted(names - {probe.edge for probe in probes})
        return Health(Verdict.UNKNOWN, f"{silent[0]} has not probed it yet")
    if not down:
        return Health(Verdict.UP)
    detail = f"{down[0].edge}: {down[0].detail}" if down[0].detail else f"{down[0].edge} reports it down"
    return Health(Verdict.DOWN if len(down) == len(probes) else Verdict.UNKNOWN, detail)
