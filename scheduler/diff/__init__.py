"""Desired x observed x now -> plan: what the loop has to do for one app, and why.

Pure: `diff` looks at no clock and changes nothing. It reads top down:

1. every instance on its way out takes its next step (`leaving`);
2. every other one is judged: launched, moved on by its health, or given up (`judging`);
3. what remains is compared with what is wanted, slot by slot (`strategies`, `trial`, `slots`);
4. the operation under way ends, if what it asked for is true or will not become so (`ending`).

Two budgets hold throughout a rolling update: at most `replicas + max_surge` instances that are not on their way out,
and never fewer healthy ones than `replicas - max_unavailable`, nor fewer than one, because of it. A recreation trades
them for never having two instances in a slot, blue-green makes all new instances before any old one goes, and a canary
keeps every old one until the new release has shown on a part of the traffic that it serves (`scheduler.canary`).

An instance that shall run elsewhere (`Instance.relocate`) is replaced like an outdated one, by one more beside it where
surge allows that. One that makes room for another app goes first, unless it is its app's last healthy one.
"""

from __future__ import annotations

from datetime import datetime

from scheduler.diff.draft import Draft
from scheduler.diff.ending import conclude
from scheduler.diff.judging import judge_instance
from scheduler.diff.leaving import leave
from scheduler.diff.plan import Create, Move, Outcome, Plan, Wait
from scheduler.diff.strategies import make_room, scale
from scheduler.model import AppState
from scheduler.reasons import because

__all__ = ["Create", "Move", "Outcome", "Plan", "Wait", "diff"]


def diff(app: AppState, now: datetime) -> Plan:
    """What has to be done for `app` at `now`. The same input gives the same plan."""
    draft = Draft(app, now, failures=dict(app.failures))
    for instance in app.instances:
        if instance.state.going:
            leave(draft, instance)
        else:
            judge_instance(draft, instance)
    if app.running and not app.deleting:
        make_room(draft)
        scale(draft)
    else:
        reason = because("deleted_on_request" if app.deleting else "stopped_on_request")
        for instance in list(draft.staying):
            draft.retire(instance, reason)
    outcome = conclude(draft)
    return Plan(
        moves=tuple(draft.moves),
        create=tuple(draft.create),
        launch=tuple(draft.launch),
        stop=tuple(draft.stop),
        remove=tuple(draft.remove),
        wait=tuple(draft.wait),
        switch=draft.switch,
        canary=draft.canary,
        outcome=outcome,
    )
