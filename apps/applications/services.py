"""What people do with apps. Every change goes the same way:

1. check the request, and ask what its image means now: no lock is held meanwhile
2. in one transaction: lock the group and the app, make the release, reserve, write the routes, begin the operation
3. after commit, wake the loop

A change that changes nothing makes no release: its operation has succeeded at once, or is the one that is still at
work on the same. With `dry_run` step 2 is rolled back and the plan that the loop would make is returned instead.

Who may do it is asked before (`apps.applications.permissions`), not here. `actor` is who history names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import releases
from apps.applications.models import App, Release
from apps.applications.releases import Content
from apps.applications.spec import Parsed, parse, with_port
from apps.errors import Conflict, conflict, invalid
from apps.events import services as events
from apps.groups.models import Group
from apps.operations import services as operations
from apps.operations.models import Operation
from scheduler import model, wake
from scheduler.model import OperationKind, restarted

Plan = dict[str, Any]
_ATTEMPTS = 5  # how often a change is merged anew because another one came first


def create_app(actor: User | None, group: Group, data: object, *, dry_run: bool = False) -> Operation | Plan:
    """A new app from a spec. Raises `Invalid`, `Conflict`."""
    parsed = parse(data)
    _refuse_taken_name(group, parsed.name)  # asked again below; here it spares a look at the registry
    content = _content(parsed, {}, None)
    with transaction.atomic():
        group = releases.lock_group(group.pk)
        _refuse_taken_name(group, parsed.name)
        app = App.objects.create(group=group, name=parsed.name)
        release = releases.publish(app, content, actor)
        events.record("app.created", actor=actor, app=app)
        operation = _begin(actor, app, OperationKind.CREATE, release.number)
        transaction.set_rollback(dry_run)
    return _preview(group, parsed.name, None, release.number, content, running=True) if dry_run else operation


def change_app(
    actor: User | None, app: App, changes: object, *, dry_run: bool = False, kind: OperationKind = OperationKind.DEPLOY
) -> Operation | Plan:
    """Merge changes into the app's spec. Raises `Invalid`, `Conflict`, `NotFound`.

    `changes` may be a function that makes them from the spec that they are merged into.
    """
    resolved: dict[str, Any] = {}
    for _attempt in range(_ATTEMPTS):
        base = _release(app)
        before = Content.of(base)
        asked = changes(before.spec) if callable(changes) else changes
        parsed = parse(asked, Parsed(app.name, dict(before.spec), dict(before.env)))
        named = isinstance(asked, Mapping) and asked.get("image") is not None
        content = _content(parsed, resolved, None if named else before)
        with transaction.atomic():
            fresh = releases.lock(app)
            if fresh.release_id != base.pk:
                continue  # someone changed it meanwhile: merge into that
            answer = _deploy(actor, fresh, before, content, kind)
            transaction.set_rollback(dry_run)
        return _preview_of(fresh, content) if dry_run else answer
    raise Conflict(_("The app is being changed by others all the time; try again."), "busy")


def scale(actor: User | None, app: App, replicas: object, *, dry_run: bool = False) -> Operation | Plan:
    """Another number of instances. Raises `Invalid`, `Conflict`, `NotFound`."""
    if replicas is None:
        raise invalid("replicas", "required", _("This is required."))
    return change_app(actor, app, {"replicas": replicas}, dry_run=dry_run, kind=OperationKind.SCALE)


def rollback(actor: User | None, app: App, number: int, *, dry_run: bool = False) -> Operation | Plan:
    """A new release from release `number`, with the image that it ran. Raises `Invalid`, `Conflict`, `NotFound`."""
    old = app.releases.filter(number=number).first()
    if old is None:
        raise invalid("release", "unknown_release", _("The app has no such release."))
    content = Content.of(old)

    def go_back(fresh: App) -> Operation:
        if content == Content.of(fresh.release):
            return _unchanged(actor, fresh, OperationKind.ROLLBACK)
        release = releases.go_back(fresh, old, actor)
        events.record("app.rolled_back", actor=actor, app=fresh, release=release.number, made_from=number)
        return _begin(actor, fresh, OperationKind.ROLLBACK, release.number)

    return _change(app, go_back, dry_run)


def restart(actor: User | None, app: App, *, dry_run: bool = False) -> Operation | Plan:
    """New containers of the same release, in the way of an update. Raises `Conflict` when the app is stopped."""

    def again(fresh: App) -> Operation:
        if not fresh.running:
            raise Conflict(_("The app is stopped; start it instead."), "app_stopped")
        if fresh.canary_release is not None and operations.active(fresh).exists():
            raise Conflict(_("A release is being tried: promote it or abort it first."), "canary_under_way")
        fresh.restarts += 1
        fresh.save(update_fields=["restarts"])
        events.record("app.restarted", actor=actor, app=fresh)
        return _begin(actor, fresh, OperationKind.RESTART)

    return _change(app, again, dry_run)


def stop(actor: User | None, app: App, *, dry_run: bool = False) -> Operation | Plan:
    """Remove the app's instances and give its reservation back. It keeps its release and its routes."""
    return _change(app, lambda fresh: _switch(actor, fresh, OperationKind.STOP, "app.stopped"), dry_run)


def start(actor: User | None, app: App, *, dry_run: bool = False) -> Operation | Plan:
    """Run the app again, from the release that it has. Raises `Conflict` when over quota by now."""
    return _change(app, lambda fresh: _switch(actor, fresh, OperationKind.START, "app.started"), dry_run)


def delete_app(actor: User | None, app: App, *, dry_run: bool = False) -> Operation | Plan:
    """Stop the app for good. The loop removes its row when the last instance is gone."""

    def give_up(fresh: App) -> Operation:
        releases.switch(fresh, running=False)
        fresh.deleting = True
        fresh.save(update_fields=["deleting"])
        events.record("app.deleted", actor=actor, app=fresh)
        return _begin(actor, fresh, OperationKind.DELETE)

    return _change(app, give_up, dry_run)


def _change(app: App, change: Callable[[App], Operation], dry_run: bool) -> Operation | Plan:
    with transaction.atomic():
        fresh = releases.lock(app)
        operation = change(fresh)
        transaction.set_rollback(dry_run)
    if not dry_run:
        return operation
    return _preview_of(fresh, Content.of(fresh.release))


def _deploy(actor: User | None, app: App, before: Content, content: Content, kind: OperationKind) -> Operation:
    if content == before:
        return _unchanged(actor, app, kind)
    release = releases.publish(app, content, actor)
    if kind is OperationKind.SCALE:
        figures = {"before": before.spec["replicas"], "replicas": content.spec["replicas"]}
        events.record("app.scaled", actor=actor, app=app, **figures)
    else:
        events.record("app.deployed", actor=actor, app=app, release=release.number)
    return _begin(actor, app, kind, release.number)


def _switch(actor: User | None, app: App, kind: OperationKind, event: str) -> Operation:
    running = kind is OperationKind.START
    if app.running == running:
        return _unchanged(actor, app, kind)
    releases.switch(app, running)
    events.record(event, actor=actor, app=app)
    return _begin(actor, app, kind)


def _begin(actor: User | None, app: App, kind: OperationKind, release: int | None = None) -> Operation:
    # unsettled, so that the sweep finds the change should the message get lost
    App.objects.filter(pk=app.pk).update(settled=False)
    operation = operations.begin(actor, app, kind, release)
    wake.reconcile(app.pk)
    return operation


def _unchanged(actor: User | None, app: App, kind: OperationKind) -> Operation:
    """The operation of a change that asks for what is wanted already."""
    under_way = operations.active(app).first()
    if under_way is not None:
        return under_way
    if not app.running or app.last_good_id == app.release_id:
        return operations.nothing_to_do(actor, app, kind)
    return _begin(actor, app, kind, app.release.number)  # it never came true: try once more


def _release(app: App) -> Release:
    return Release.objects.get(pk=App.objects.values_list("release_id", flat=True).get(pk=app.pk))


def _refuse_taken_name(group: Group, name: str) -> None:
    if App.objects.filter(group=group, name=name).exists():
        raise conflict("name", "app_exists", _("The group has an app named “%(name)s”.") % {"name": name})


def _content(parsed: Parsed, resolved: dict[str, Any], before: Content | None) -> Content:
    """The content of a release; the digest is that of `before` as long as the image is the same and the port known."""
    reference = parsed.spec["image"]
    if before is not None and reference == before.spec["image"] and parsed.spec["port"]:
        return Content(parsed.spec, before.digest, parsed.env)
    if reference not in resolved:
        resolved[reference] = _resolve(reference)
    image = resolved[reference]
    return Content(with_port(parsed.spec, image.port), image.digest, parsed.env)


def _resolve(reference: str) -> Any:
    from scheduler import queries  # loads the engine's client, which most requests do without

    try:
        return queries.resolve_image(reference)
    except queries.ImageRefused as refused:
        raise invalid("image", "image_refused", str(refused)) from None


def _preview_of(app: App, content: Content) -> Plan:
    """`app` is as the change left it, which is undone."""
    return _preview(app.group, app.name, app, app.release.number, content, running=app.running)


def _preview(group: Group, name: str, app: App | None, number: int, content: Content, *, running: bool) -> Plan:
    from scheduler import queries  # as above

    template = restarted(content.template, app.restarts if app else 0)
    wanted = model.Release(number, template, content.value)
    return queries.preview(group.name, name, app.pk if app else None, wanted, running)
