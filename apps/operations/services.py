"""Operations: what becomes of a change request."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.applications.models import App
from apps.events import services as events
from apps.operations.models import ACTIVE, Operation
from scheduler.model import OperationKind, OperationStatus
from scheduler.reasons import because


def active(app: App) -> QuerySet[Operation]:
    """The operation that is under way for the app, if there is one."""
    return Operation.objects.filter(app=app, status__in=ACTIVE)


def begin(actor: User | None, app: App, kind: OperationKind, release: int | None = None) -> Operation:
    """A new operation, which supersedes the one that is under way. Call it with the app's row locked."""
    for earlier in active(app):
        end(earlier, OperationStatus.SUPERSEDED, actor=actor)
    return _create(actor, app, kind, release)


def nothing_to_do(actor: User | None, app: App, kind: OperationKind) -> Operation:
    """An operation that has succeeded already: what it asks for is how things are."""
    now = timezone.now()
    return _create(
        actor, app, kind, app.release and app.release.number,
        status=OperationStatus.SUCCEEDED, started_at=now, ended_at=now,
    )  # fmt: skip


def end(operation: Operation, status: OperationStatus, *, actor: User | None = None) -> None:
    """Note that a request ended an operation before the loop did: superseded, or cancelled."""
    operation.status, operation.ended_at = status, timezone.now()
    operation.save(update_fields=["status", "ended_at"])
    reason = because("newer_change") if status == OperationStatus.SUPERSEDED else None
    events.record(f"operation.{status}", actor=actor, app=operation.app, operation=operation, reason=reason)


def _create(actor: User | None, app: App, kind: OperationKind, release: int | None, **columns: object) -> Operation:
    return Operation.objects.create(
        app=app,
        group=app.group,
        group_name=app.group.name,
        app_name=app.name,
        kind=kind,
        release=release,
        created_by=actor,
        **columns,
    )
