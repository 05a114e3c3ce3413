"""Promoting and aborting a release that is tried on a part of the traffic. Either may be asked for again."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import releases
from apps.applications.models import App
from apps.errors import Conflict, invalid
from apps.events import services as events
from apps.operations import services
from apps.operations.models import Operation
from scheduler import wake
from scheduler.model import OperationStatus
from scheduler.reasons import because

ABORTED = "canary_aborted"


def promote(actor: User | None, operation: Operation, step: int | None = None) -> Operation:
    """Go on to this step of its canary, counted from 1, or past the last: then the release gets all of the traffic.

    A step that it has reached already changes nothing. Raises `Conflict`, `Invalid`.
    """
    with transaction.atomic():
        app, operation = _lock(operation)
        if operation.ended:
            raise _ended()
        if not _tried(app):
            raise _none()
        steps = len(app.release.spec["update"]["canary"]["steps"])
        if step is not None and step > steps:
            limits = {"low": 1, "high": steps}
            raise invalid("step", "out_of_range", _("This is from %(low)s to %(high)s.") % limits)
        wanted = steps if step is None else step - 1
        asked = app.promoted_step if app.promoted_release == app.release.number else 0
        if wanted > max(asked, app.canary_step):
            rows = App.objects.filter(pk=app.pk)
            rows.update(promoted_release=app.release.number, promoted_step=wanted, settled=False)
            events.record("app.promoted", actor=actor, app=app, release=app.release.number)
        wake.reconcile(app.pk)
    return operation


def abort(actor: User | None, operation: Operation) -> Operation:
    """Take the canary's traffic away and want again what serves beside it. The operation ends as rolled back.

    Raises `Conflict`, and whatever stands in the way of the earlier release.
    """
    with transaction.atomic():
        app, operation = _lock(operation)
        if operation.ended:
            if operation.error and operation.error["reason"]["code"] == ABORTED:
                return operation
            raise _ended()
        if not _tried(app) or app.last_good is None:
            raise _none()
        operation.error = {
            "step": "canary",
            "reason": because(ABORTED, user=actor.username if actor else "–", weight=app.canary_weight).as_dict(),
            "instance": None,
            "exit_code": None,
            "probes": {},
            "logs": "",
        }
        operation.steps = [{**s, "status": "failed"} if s["name"] == "canary" else s for s in operation.steps]
        operation.save(update_fields=["error", "steps"])
        services.end(operation, OperationStatus.ROLLED_BACK, actor=actor)
        events.record("app.aborted", actor=actor, app=app, release=app.release.number)
        release = releases.go_back(app, app.last_good, actor)
        figures = {"release": release.number, "made_from": app.last_good.number}
        events.record("app.rolled_back", actor=actor, app=app, **figures)
        App.objects.filter(pk=app.pk).update(settled=False)
        wake.reconcile(app.pk)
    return operation


def tried(operation: Operation, app: App) -> bool:
    """Whether it is the app's canary, under way."""
    return not operation.ended and _tried(app)


def _tried(app: App) -> bool:
    return app.release is not None and app.canary_release == app.release.number


def _lock(operation: Operation) -> tuple[App, Operation]:
    if operation.app is None:
        raise _ended()
    app = releases.lock(operation.app)
    return app, Operation.objects.select_for_update(no_key=True, of=("self",)).get(pk=operation.pk)


def _ended() -> Conflict:
    return Conflict(_("The operation has ended."), "operation_ended")


def _none() -> Conflict:
    return Conflict(_("No release is being tried on a part of the traffic."), "no_canary")
