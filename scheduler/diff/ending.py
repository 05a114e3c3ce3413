"""Whether the operation under way has come to its end, and how."""

from __future__ import annotations

from scheduler.diff.draft import Draft, on_trial
from scheduler.diff.plan import Outcome, Wait
from scheduler.health import judge
from scheduler.lifecycle import State
from scheduler.model import Instance, OnFailure, OperationKind, OperationStatus
from scheduler.reasons import because

ATTEMPTS = 2  # failures in a row in one slot after which an operation is given up


def conclude(draft: Draft) -> Outcome | None:
    """Whether the operation under way has come to its end."""
    app, operation = draft.app, draft.app.operation
    if operation is None:
        return None
    if not app.running or app.deleting:
        return None if app.instances else Outcome(OperationStatus.SUCCEEDED, because("converged"))
    policy = app.release.spec.update
    can_return = app.last_good is not None and app.last_good.number != app.release.number
    returns = policy.on_failure is OnFailure.ROLLBACK and can_return and operation.kind is not OperationKind.RESTART
    status = OperationStatus.ROLLED_BACK if returns else OperationStatus.FAILED
    if (crashed := _crashed(draft)) is not None:
        return Outcome(status, because("kept_crashing", crashes=crashed.crashes), "health", crashed.generation)
    if draft.halt is not None:
        tried = [i.generation for i in draft.staying if i.template == app.release.template]
        return Outcome(status, draft.halt, "canary", max(tried, default=None))
    acts = draft.moves or draft.create or draft.launch or draft.stop or draft.remove or draft.switch
    busy = acts or any(not wait.apart for wait in draft.wait) or _unserved(draft)
    if not busy:
        return Outcome(OperationStatus.SUCCEEDED, because("converged"))
    worst = max(draft.failures.items(), key=lambda item: item[1].count, default=None)
    if worst and worst[1].count >= ATTEMPTS:
        slot, last = worst
        reason = because("kept_failing", slot=slot, failures=last.count, verdict=last.reason)
        step = "start" if last.reason.code == "start_failed" else "health"
        return Outcome(status, reason, step, last.generation)
    if app.pending:  # it waits for room, which no deadline makes
        return None
    lagging = [i for i in draft.staying if i.state is not State.HEALTHY]
    if draft.canary is not None:  # it is tried for as long as its steps say, once its instances have been healthy
        lagging = [i for i in lagging if i.template == app.release.template and i.healthy_at is None]
        if not lagging:
            return None
    # time that was spent waiting for room does not count: it is counted from the last instance that was placed
    placed = (i.created_at for i in app.instances if i.created_at and i.template == app.release.template)
    since = max((operation.started_at, *placed, *([app.active_since] if app.active_since else [])))
    if not draft.overdue(since, policy.deadline):
        draft.later(because("awaiting_health"), policy.deadline, since)
        return None
    found = judge(lagging[-1], app.edges).detail if lagging else next((wait.reason for wait in draft.wait), None)
    reason = because("deadline", seconds=policy.deadline, verdict=found or "")
    return Outcome(status, reason, "health", lagging[-1].generation if lagging else None)


def _unserved(draft: Draft) -> bool:
    """Whether an edge has yet to serve the app as it is now. One that lags behind the others is waited for a while."""
    app = draft.app
    behind = app.behind(app.published_revision)
    if not behind:
        return False
    until = app.patience(app.published_revision)
    if until is not None and draft.now >= until:
        return False
    draft.wait.append(Wait(because("awaiting_edges", edges=behind), until))
    return True


def _crashed(draft: Draft) -> Instance | None:
    """An instance of a release on trial that crashes again and again, and is brought back each time by its engine."""
    app = draft.app
    made_for_it = [i for i in draft.staying if i.template == app.release.template and i.release == app.release.number]
    worst = max(made_for_it, key=lambda i: i.crashes, default=None)
    return worst if worst is not None and worst.crashes >= ATTEMPTS and on_trial(app) else None
