"""How an app and its operation are doing -> rows, and what follows when an operation ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from apps.applications import releases
from apps.applications.models import App, Instance, Release
from apps.errors import Problem
from apps.events.services import record
from apps.operations.models import ACTIVE, Operation
from apps.operations.steps import close
from apps.panel.live import announce
from scheduler.diff import Outcome
from scheduler.model import AppState, AppStatus, OperationStatus
from scheduler.progress import Step, StepStatus
from scheduler.reasons import Amount, Reason, Unit

log = structlog.get_logger(__name__)


def status(
    app: AppState, word: AppStatus, reason: Reason | None, *, settled: bool, explanation: dict[str, Any] | None
) -> None:
    """Write what changed of the app's status, and tell whoever looks at it."""
    said = reason.as_dict() if reason else None
    fresh = {"status": word.value, "status_reason": said, "settled": settled, "explanation": explanation}
    row = App.objects.filter(id=app.id).only("group_id", *fresh).first()
    if row is None or all(getattr(row, name) == value for name, value in fresh.items()):
        return
    App.objects.filter(id=app.id).update(**fresh)
    announce(f"app.{app.id}", f"group.{row.group_id}")


def progress(
    app: AppState, steps: Sequence[Step], waits: Reason | None, explanation: dict[str, Any] | None, now: datetime
) -> None:
    """Bring the operation under way up to date; times of its steps are kept from when they were first seen.

    `waits` is what it waits for, `explanation` the placement's where that is room.
    """
    if app.operation is None:
        return
    row = Operation.objects.filter(id=app.operation.id, status__in=ACTIVE).first()
    if row is None:
        return
    before = {step["name"]: step for step in row.steps}
    after = [_timed(step, before.get(step.name, {}), now) for step in steps]
    waits_for = _waits_for(waits, explanation)
    if after == row.steps and row.status == OperationStatus.RUNNING and waits_for == row.waits_for:
        return
    Operation.objects.filter(id=row.id, status__in=ACTIVE).update(
        steps=after, status=OperationStatus.RUNNING, started_at=row.started_at or now, waits_for=waits_for
    )
    announce(f"operation.{row.id.hex}", f"app.{app.id}")


def _waits_for(waits: Reason | None, explanation: dict[str, Any] | None) -> dict[str, Any] | None:
    if waits is None:
        return None
    return waits.as_dict() | ({} if explanation is None else {"shortages": explanation.get("shortages", [])})


def _timed(step: Step, before: dict[str, Any], now: datetime) -> dict[str, Any]:
    began = step.status is not StepStatus.WAITING
    ended = step.status is StepStatus.DONE
    return {
        "name": step.name,
        "status": step.status.value,
        "done": step.done,
        "of": step.of,
        "started_at": before.get("started_at") or (now.isoformat() if began else None),
        "ended_at": (before.get("ended_at") or now.isoformat()) if ended else None,
    }


def end(app: AppState, outcome: Outcome, now: datetime) -> None:
    """End the operation under way. A failed update takes the app back to the release that served before."""
    if app.operation is None:
        return
    with transaction.atomic():
        releases.lock_group(App.objects.get(id=app.id).group_id)  # everyone locks in this order
        row = Operation.objects.select_for_update().filter(id=app.operation.id, status__in=ACTIVE).first()
        if row is None or not _still_wanted(app):  # superseded, cancelled or changed meanwhile
            return
        status, error = outcome.status, None
        if status is OperationStatus.ROLLED_BACK and not _fall_back(app):
            status = OperationStatus.FAILED
        if status is not OperationStatus.SUCCEEDED:
            error = _evidence(app, outcome)
        steps = close(row.steps, status, now, outcome.step)
        ended = {"status": status, "error": error, "ended_at": now, "steps": steps, "waits_for": None}
        Operation.objects.filter(id=row.id).update(**ended)
        if status is OperationStatus.SUCCEEDED and app.running and not app.deleting:
            good = Release.objects.filter(app_id=app.id, number=app.release.number).first()
            App.objects.filter(id=app.id).update(last_good=good)
            if app.active != app.release.template:
                App.objects.filter(id=app.id).update(active=app.release.template, active_since=now)
        record(f"operation.{status.value}", group=row.group, app=row.app, operation=row, reason=outcome.reason)
        announce(f"operation.{row.id.hex}", f"app.{app.id}")


def _still_wanted(app: AppState) -> bool:
    """Whether what the pass decided from is what is wanted now."""
    rows = App.objects.filter(id=app.id, running=app.running, deleting=app.deleting)
    return rows.filter(release__number=app.release.number).exists()


def _evidence(app: AppState, outcome: Outcome) -> dict[str, Any]:
    """The failing step, what the edges said, and the last lines that the instance logged."""
    row = Instance.objects.filter(app_id=app.id, generation=outcome.generation).first()
    probes = {edge: seen["detail"] for edge, seen in row.probes.items()} if row else {}
    return {
        "step": outcome.step,
        "reason": outcome.reason.as_dict(),
        "instance": row.name if row else None,
        "exit_code": row.exit_code if row else None,
        "memory_limit": str(Amount(row.memory, Unit.BYTES)) if row and row.oom_killed else None,
        "probes": probes,
        "logs": row.log_tail if row else "",
    }


def _fall_back(app: AppState) -> bool:
    """Want a new release made out of the last good one. False: there is none, or it no longer can be.

    It runs from instances that are still there, since its template is theirs.
    """
    try:
        with transaction.atomic():
            row = releases.lock(App.objects.get(id=app.id))
            if row.last_good is None or row.release.number != app.release.number:
                return False
            release = releases.go_back(row, row.last_good, None)
            record("app.rolled_back", app=row, release=release.number, made_from=row.last_good.number)
    except Problem as problem:  # its room in the quota or one of its routes has been taken
        log.warning("no_way_back", app=app.id, problem=str(problem))
        return False
    return True


def forget(app: AppState, outcome: Outcome | None, now: datetime) -> None:
    """Delete an app whose last instance and key are gone; its history stays.

    The operation that asked for it ends in the same transaction: who has waited for its end may use the name again.
    """
    with transaction.atomic():
        if outcome is not None:
            end(app, outcome, now)
        row = App.objects.select_related("group").filter(id=app.id, deleting=True).first()
        if row is None:
            return
        App.objects.filter(id=app.id).update(release=None, last_good=None)
        row.delete()
        record("app.removed", group=row.group, name=row.name)
