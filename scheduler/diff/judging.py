"""What becomes of an instance that is not on its way out: by its process first, then by its health."""

from __future__ import annotations

from scheduler.diff.draft import Draft, ended
from scheduler.diff.plan import Move
from scheduler.health import Verdict, judge
from scheduler.lifecycle import State
from scheduler.model import Instance, Process
from scheduler.reasons import because

LOST = 30.0  # seconds after which an instance is no longer meant to be made by an engine that does not answer


def judge_instance(draft: Draft, instance: Instance) -> None:
    """One instance that is not on its way out: its process first, then what its state wants."""
    if instance.state is State.ASSIGNED and not instance.reachable and draft.overdue(instance.since, LOST):
        draft.moves.append(Move(instance, State.WITHDRAWN, because("node_lost", node=instance.node)))
    elif instance.state is State.ASSIGNED:
        draft.launch.append(instance)
        draft.staying.append(instance)
    elif instance.process is Process.MISSING:
        draft.retire(instance, because("missing"))
    elif instance.process is Process.PAUSED:
        draft.retire(instance, because("drifted", difference=because("paused")))
    elif instance.process is Process.EXITED:
        draft.give_up(instance, ended(instance))
    else:
        _judge_health(draft, instance)


def _judge_health(draft: Draft, instance: Instance) -> None:
    """One instance whose container runs: on by its health, or given up past the grace or the patience it is due."""
    check = draft.app.release.spec.health
    patience = check.failures * check.interval  # out of the rotation for as long again as it took to get there
    health = judge(instance, draft.app.edges)
    started = instance.started_at or instance.since
    down = because("probe_down", verdict=health.detail or "")
    if health.verdict is Verdict.UP:
        if instance.state is not State.HEALTHY:
            instance = draft.move(instance, State.HEALTHY, because("probe_up"))
    elif instance.state is State.STARTED:
        if draft.app.edges and draft.overdue(started, check.grace):
            draft.give_up(instance, because("never_healthy", grace=check.grace, verdict=health.detail or ""))
            return
        draft.later(because("awaiting_health"), check.grace, started)
    elif health.verdict is Verdict.DOWN and instance.state is State.HEALTHY:
        instance = draft.move(instance, State.UNHEALTHY, down)
        draft.later(down, patience)
    elif instance.state is State.UNHEALTHY:
        if health.verdict is Verdict.DOWN and draft.overdue(instance.since, patience):
            seconds = round((draft.now - instance.since).total_seconds())
            draft.give_up(instance, because("unhealthy", seconds=seconds, verdict=health.detail or ""))
            return
        draft.later(down, patience, instance.since)
    draft.staying.append(instance)
