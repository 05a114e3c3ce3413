"""The way out: draining -> withdrawn -> stopping -> gone, each once the one before is acknowledged."""

from __future__ import annotations

from scheduler.diff.draft import Draft, ended
from scheduler.diff.plan import Move
from scheduler.lifecycle import State
from scheduler.model import ACKNOWLEDGE, Instance, Process
from scheduler.reasons import because


def leave(draft: Draft, instance: Instance) -> None:
    """The next step out, draining -> withdrawn -> stopping -> gone, each once the one before is acknowledged."""
    if instance.state is State.DRAINING:
        _leave_drain(draft, instance)
    elif instance.state is State.WITHDRAWN:
        waiting_for = draft.app.behind(instance.endpoint_revision)
        if waiting_for and not (instance.endpoint_revision and draft.overdue(instance.since, ACKNOWLEDGE)):
            draft.later(because("awaiting_edges", edges=waiting_for), ACKNOWLEDGE, instance.since)
        elif instance.process in (Process.RUNNING, Process.RESTARTING, Process.PAUSED):
            draft.stop.append(instance)
        else:
            draft.remove.append(instance)
    else:
        ended = instance.process in (Process.EXITED, Process.MISSING)
        timeout = draft.app.release.spec.update.stop_timeout
        if ended or draft.overdue(instance.since, timeout):
            draft.remove.append(instance)
        else:
            draft.later(because("awaiting_stop"), timeout, instance.since)


def _leave_drain(draft: Draft, instance: Instance) -> None:
    drain = draft.app.release.spec.update.drain
    if instance.process in (Process.EXITED, Process.MISSING):
        draft.moves.append(Move(instance, State.WITHDRAWN, ended(instance)))
    elif draft.overdue(instance.since, drain):
        draft.moves.append(Move(instance, State.WITHDRAWN, because("drain_expired", seconds=drain)))
    elif draft.app.behind(instance.endpoint_revision) or any(probe.sessions for probe in instance.probes):
        draft.later(because("awaiting_drain"), drain, instance.since)
    else:
        draft.moves.append(Move(instance, State.WITHDRAWN, because("drained")))
