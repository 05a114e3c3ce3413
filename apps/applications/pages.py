"""The pages of one app: what it is doing, its releases, its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from apps.accounts.models import User
from apps.applications import canary
from apps.applications.changes import changes
from apps.applications.models import App, Instance, Release
from apps.applications.permissions import get_app
from apps.applications.secrets import Undecryptable
from apps.applications.traffic_pages import traffic
from apps.events import pages as events
from apps.groups.models import Role
from apps.groups.permissions import allows, role_in
from apps.operations.pages import cancellable, steps_of
from apps.panel.page import Context, LivePage
from scheduler.lifecycle import State
from scheduler.model import OperationStatus, Strategy

RECENT = 8  # events
FAILED = 3  # instances that failed lately
LATELY = timedelta(days=1)
RELEASES = 50
TELLING = (OperationStatus.FAILED, OperationStatus.ROLLED_BACK)  # ends that the app's page goes on showing


def app_context(user: User, group: str, name: str, role: Role = Role.VIEWER) -> Context:
    """What every page of an app knows. Raises `NotFound`, `Forbidden`."""
    app = get_app(user, group, name, role)
    has = role_in(user, app.group)
    return {
        "app": app,
        "group": app.group,
        "spec": app.release.spec if app.release else {},
        "routes": list(app.routes.order_by("host", "path")),
        "may_change": allows(has, Role.DEVELOPER) and not app.deleting,
    }


class AppLivePage(LivePage):
    """A page below an app's head, which is live on all of them."""

    tab: str

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        return {**app_context(user, kwargs["group"], kwargs["app"]), "tab": self.tab}

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"app.{context['app'].pk}"}


class AppPage(AppLivePage):
    template = "applications/page.html"
    regions = (
        "applications/head",
        "applications/now",
        "applications/instances",
        "applications/traffic",
        "applications/recent",
        "applications/side",
    )
    pace = 3  # nothing hints at traffic
    tab = "app"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = super().context(user, query, **kwargs)
        app: App = context["app"]
        operation = app.operations.select_related("created_by").first()
        tried = canary.progress(app)
        instances = list(_present(app))
        if operation and operation.ended and operation.status not in TELLING:
            operation = None
        return {
            **context,
            "operation": operation,
            "steps": steps_of(operation) if operation else [],
            "may_cancel": bool(context["may_change"] and operation and cancellable(operation)),
            "canary": tried,
            "measured": canary.measured(app) if tried else [],
            "may_promote": bool(context["may_change"] and operation and tried and not operation.ended),
            "instances": instances,
            "apart": _apart(app, instances),
            "failed": list(_failed(app)),
            "traffic": traffic(app),
            "events": events.recent(app.events.all(), RECENT),
        }


def _present(app: App) -> QuerySet[Instance]:
    return app.instances.filter(gone_at=None).select_related("node", "release").order_by("slot", "generation")


def _apart(app: App, instances: list[Instance]) -> set[int]:
    """The keys of those instances that do not share the traffic: they are tried, or stand by."""
    if app.release is None:
        return set()
    strategy = Strategy(app.release.spec["update"].get("strategy", Strategy.ROLLING))
    staying = [instance for instance in instances if not State(instance.state).going]
    templates = {instance.template for instance in staying}
    return {each.pk for each in staying if strategy.apart(each.template, app.active, templates)}


def _failed(app: App) -> QuerySet[Instance]:
    recently = app.instances.filter(failed=True, gone_at__gt=timezone.now() - LATELY)
    return recently.select_related("node", "release").order_by("-gone_at")[:FAILED]


class ReleasesPage(AppLivePage):
    template = "applications/releases.html"
    regions = ("applications/head", "applications/history")
    tab = "releases"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = super().context(user, query, **kwargs)
        rows = list(context["app"].releases.select_related("created_by")[: RELEASES + 1])
        before = [*rows[1:], None]
        shown = [
            {"release": release, "changes": _changes(older, release)}
            for release, older in zip(rows, before, strict=True)
        ]
        return {**context, "releases": shown[:RELEASES]}


def _changes(older: Release | None, release: Release) -> Any:
    """What a release changed; None for the first, and where no key opens the environment any more."""
    try:
        return changes(older, release) if older else None
    except Undecryptable:
        return None


class LogPage(AppLivePage):
    template = "applications/log.html"
    regions = ("applications/head",)
    tab = "log"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = super().context(user, query, **kwargs)
        instances = list(_present(context["app"]))
        asked = query.get("instance", "")
        chosen = next((row for row in instances if row.name == asked), instances[0] if instances else None)
        return {**context, "instances": instances, "chosen": chosen}
