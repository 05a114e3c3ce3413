"""Process state, the edges' probes and the container's own health command, judged together.

The edges probe along the path that traffic takes, so theirs is the verdict that counts; the engine's is a reason to
say no before they do.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from scheduler.model import Edge, ExecHealth, Instance, Process
from scheduler.reasons import Amount, Reason, Unit, because


class Verdict(enum.Enum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody can tell: what was known before still holds


@dataclass(frozen=True, slots=True)
class Health:
    verdict: Verdict
    detail: Reason | None = None  # None: there is nothing to say against it


_DOWN = {
    Process.EXITED: because("process_exited"),
    Process.MISSING: because("process_missing"),
    Process.PAUSED: because("process_paused"),
    Process.RESTARTING: because("process_restarting"),
}


def judge(instance: Instance, edges: Collection[Edge]) -> Health:
    """Whether the instance serves; the first rule that matches decides.

    It is up when every live edge says so, since each of them will send it requests, and down only when every one
    says so: an edge that alone cannot reach it is an edge with a problem, and replacing the instance would not help.
    """
    if (process := _DOWN.get(instance.process)) is not None:
        if instance.oom_killed:
            limit = Amount(instance.claim.memory, Unit.BYTES)
            return Health(Verdict.DOWN, because("ran_out_of_memory", limit=limit, process=process))
        return Health(Verdict.DOWN, process)
    if instance.exec_health is ExecHealth.UNHEALTHY:
        return Health(Verdict.DOWN, because("exec_unhealthy"))
    if instance.exec_health is ExecHealth.STARTING:
        return Health(Verdict.UNKNOWN, because("exec_starting"))
    if not edges:
        return Health(Verdict.UNKNOWN, because("no_edge"))
    names = {edge.name for edge in edges}
    probes = [probe for probe in instance.probes if probe.edge in names]
    down = [probe for probe in probes if not probe.up]
    if len(probes) < len(names):
        silent = sorted(names - {probe.edge for probe in probes})
        return Health(Verdict.UNKNOWN, because("edge_silent", edge=silent[0]))
    if not down:
        return Health(Verdict.UP)
    edge, words = down[0].edge, down[0].detail
    detail = because("edge_says", edge=edge, words=words) if words else because("edge_down", edge=edge)
    return Health(Verdict.DOWN if len(down) == len(probes) else Verdict.UNKNOWN, detail)
