"""An app's release, routes, anti-affinities and reservation, changed together inside the caller's transaction.

Whoever changes an app locks its group first and the app after it (`lock`), and an operation last: with one order for
everyone, requests and the loop never wait for each other in a ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import secrets
from apps.applications.claims import set_routes, set_tcp_port
from apps.applications.models import AntiAffinity, App, Release
from apps.applications.spec import as_spec
from apps.errors import Conflict, NotFound
from apps.groups.models import Group
from apps.groups.services import reserve
from apps.placement import priorities
from scheduler.model import Resources, Spec
from scheduler.placement.values import Bond


@dataclass(frozen=True, slots=True)
class Content:
    """What a release is made from."""

    spec: Mapping[str, Any]  # canonical, with its port
    digest: str
    env: Mapping[str, str] = field(repr=False)

    @property
    def value(self) -> Spec:
        return as_spec(self.spec, self.digest)

    @property
    def template(self) -> str:
        return self.value.template(secrets.fingerprint(self.env))

    @classmethod
    def of(cls, release: Release) -> Content:
        return cls(release.spec, release.digest, secrets.decrypt(release.env))


def lock_group(group_id: int) -> Group:
    """The group, with its apps and reservations in hand until the transaction ends. Raises `NotFound`."""
    group = Group.objects.select_for_update(no_key=True).filter(pk=group_id).first()
    if group is None:
        raise NotFound
    return group


def lock(app: App) -> App:
    """The app as it is now, with its group in hand. Raises `NotFound` when it is gone, `Conflict` when it is going."""
    group = lock_group(app.group_id)
    rows = App.objects.select_for_update(no_key=True, of=("self",)).select_related("release", "last_good")
    fresh = rows.filter(pk=app.pk).first()
    if fresh is None or fresh.release is None:
        raise NotFound
    if fresh.deleting:
        raise Conflict(_("The app is being deleted."), "app_deleting")
    fresh.group = group
    return fresh


def footprint(spec: Spec) -> Resources:
    """What a running app with this spec reserves."""
    return spec.resources * spec.replicas


def held(app: App) -> Resources:
    """What the app has reserved of its group's quota: nothing while it is stopped."""
    if not app.running or app.release is None:
        return Resources()
    return footprint(as_spec(app.release.spec, app.release.digest))


def switch(app: App, running: bool) -> None:
    """Take up the app's reservation, or give it back. Raises `Conflict` when over quota."""
    before = held(app)
    app.running = running
    reserve(app.group_id, held(app) - before)
    app.save(update_fields=["running"])


def publish(app: App, content: Content, actor: User | None, *, made_from: int | None = None) -> Release:
    """Make the app's next release and want it, with all that hangs on it. Raises `Conflict`, `Invalid`."""
    before = held(app)
    spec = content.value
    newest = app.releases.aggregate(newest=Max("number"))["newest"] or 0
    app.release = Release.objects.create(
        app=app,
        number=newest + 1,
        spec=dict(content.spec),
        digest=content.digest,
        env=secrets.encrypt(content.env),
        template=content.template,
        created_by=actor,
        made_from=made_from,
    )
    reserve(app.group_id, held(app) - before)
    set_routes(app, content.spec["routes"])
    _set_anti_affinities(app, spec)
    set_tcp_port(app, spec.expose)
    app.priority_class = priorities.of_app(app.group, spec.priority)
    app.save(update_fields=["release", "tcp_port", "priority_class"])
    return app.release


def go_back(app: App, to: Release, actor: User | None) -> Release:
    """Make a new release from an old one and want it. Raises `Conflict`, `Invalid`."""
    return publish(app, Content.of(to), actor, made_from=to.number)


def _set_anti_affinities(app: App, spec: Spec) -> None:
    affinities = spec.constraints.affinities if spec.constraints else ()
    wanted = {(one.app, one.label) for one in affinities if one.bond is Bond.APART and one.app != app.name}
    present = {(row.other, row.label): row for row in app.anti_affinities.all()}
    for key in present.keys() - wanted:
        present[key].delete()
    fresh = sorted(wanted - present.keys())
    AntiAffinity.objects.bulk_create(AntiAffinity(app=app, group=app.group, other=o, label=at) for o, at in fresh)
