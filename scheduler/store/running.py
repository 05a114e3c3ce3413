"""What runs, as the placement looks at it to try, move or displace it. A query for the apps, one for the instances."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from django.db.models import QuerySet

from apps.applications import models as tables
from apps.applications.spec import as_spec
from apps.placement.models import PlacementProfile
from scheduler.lifecycle import State
from scheduler.model import Resources
from scheduler.placement import Affinity, Request, Running
from scheduler.store import reading
from scheduler.store.cluster import STAYING


def with_profile() -> list[str]:
    """The groups that have a profile of their own."""
    return list(PlacementProfile.objects.filter(group__isnull=False).values_list("group__name", flat=True))


def count(*, of: str | None = None, but: Collection[str] = ()) -> int:
    """How many instances stay where they are: of one group or of all, but for some."""
    return _staying(of, but).count()


def instances(*, of: str | None = None, but: Collection[str] = ()) -> list[Running]:
    """The same instances. Those of an app that claim alike have the very same request."""
    apart = reading.keeping_apart([of] if of else None)
    apps = {
        app.id: (_request(app, apart), bool(app.priority_class and app.priority_class.protected)) for app in _apps(of)
    }
    requests: dict[tuple[int, Resources], Request] = {}
    found = []
    columns = ("id", "app_id", "node__name", "state", "cpu", "memory", "disk")
    rows = _staying(of, but).order_by("id").values_list(*columns)
    for row_id, app_id, node, state, cpu, memory, disk in rows.iterator():
        if app_id not in apps:
            continue  # it came after the look at the apps
        claim = Resources(cpu, memory, disk, 1)
        request, protected = apps[app_id]
        if (app_id, claim) not in requests:  # an update of the app may be under way
            requests[app_id, claim] = replace(request, resources=claim)
        healthy = state == State.HEALTHY
        found.append(Running(row_id, requests[app_id, claim], node, healthy=healthy, protected=protected))
    return found


def _staying(of: str | None, but: Collection[str]) -> QuerySet[tables.Instance]:
    rows = tables.Instance.objects.filter(gone_at=None, state__in=STAYING, app__release__isnull=False)
    return (rows.filter(group__name=of) if of else rows).exclude(group__name__in=but)


def _apps(of: str | None) -> QuerySet[tables.App]:
    rows = tables.App.objects.filter(release__isnull=False).select_related("group", "release", "priority_class")
    return rows.filter(group__name=of) if of else rows


def _request(app: tables.App, apart: Mapping[tuple[str, str], tuple[Affinity, ...]]) -> Request:
    spec = as_spec(app.release.spec, app.release.digest)
    priority = app.priority_class.value if app.priority_class else 0
    return reading.request_of(app.group.name, app.name, spec, 1, apart.get((app.group.name, app.name), ()), priority)


def _protected(app: tables.App) -> bool:
    return app.priority_class is not None and app.priority_class.protected
