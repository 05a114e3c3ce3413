"""Operations: what becomes of a change request."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import releases
from apps.applications.models import App
from apps.errors import Conflict
from apps.events import services as events
from apps.operations.models import ACTIVE, Operation
from apps.operations.steps import close
from scheduler import wake
from scheduler.model import OperationKind, OperationStatus

CANCELLABLE = frozenset({OperationKind.CREATE, OperationKind.DEPLOY, OperationKind.SCALE, OperationKind.ROLLBACK})


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
    """End an operation before the loop does: superseded, or cancelled. Nothing if the loop was faster.

    Call it in a transaction.
    """
    found = Operation.objects.select_for_update(no_key=True, of=("self",)).get(pk=operation.pk)
    if found.ended:
        return
    now = timezone.now()
    operation.status, operation.ended_at, operation.waits_for = status, now, None
    operation.steps = close(found.steps, status, now)
    operation.save(update_fields=["status", "ended_at", "steps", "waits_for"])
    events.record(f"operation.{status}", actor=actor, app=operation.app, operation=operation)


def cancel(actor: User | None, operation: Operation) -> Operation:
    """End an operation that is under way, and want again what served before.

    An app that never served is stopped. What has no earlier release to go back to (a restart, a stop, a start, a
    deletion) cannot be cancelled. Raises `Conflict`, and whatever stands in the way of the earlier release.
    """
    if operation.app is None or operation.ended:
        raise _ended()
    with transaction.atomic():
        app = releases.lock(operation.app)
        operation = Operation.objects.select_for_update(no_key=True, of=("self",)).get(pk=operation.pk)
        if operation.ended:
            raise _ended()
        if operation.kind not in CANCELLABLE:
            raise Conflict(_("What this does cannot be undone by cancelling it."), "not_cancellable")
        end(operation, OperationStatus.CANCELLED, actor=actor)
        if app.last_good is None:
            releases.switch(app, running=False)
        elif app.last_good_id != app.release_id:
            release = releases.go_back(app, app.last_good, actor)
            figures = {"release": release.number, "made_from": app.last_good.number}
            events.record("app.rolled_back", actor=actor, app=app, **figures)
        App.objects.filter(pk=app.pk).update(settled=False)
        wake.reconcile(app.pk)
    return operation


def _ended() -> Conflict:
    return Conflict(_("The operation has ended."), "operation_ended")


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
