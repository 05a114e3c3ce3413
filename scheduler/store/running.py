"""What runs, as the placement looks at it to try, move or displace it. A query for the apps, one for the instances.

What is to leave anyway (`Instance.relocate`) is left out, like what is on its way out: it can be neither moved nor
displaced again, and no app can rely on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from apps.applications import models as tables
from apps.applications.spec import as_spec
from apps.placement.models import PlacementProfile
from scheduler.lifecycle import State
from scheduler.model import Resources, Spec, Strategy
from scheduler.placement import Affinity, Request, Running
from scheduler.store import reading
from scheduler.store.cluster import STAYING

WORTH = Coalesce(F("app__priority_class__value"), 0)


def with_profile() -> list[str]:
    """The groups that have a profile of their own."""
    return list(PlacementProfile.objects.filter(group__isnull=False).values_list("group__name", flat=True))


def count(*, of: str | None = None, but: Collection[str] = ()) -> int:
    """How many instances stay where they are: of one group or of all, but for some."""
    return _staying(of, but).count()


def instances(*, of: str | None = None, but: Collection[str] = ()) -> list[Running]:
    """The same instances. Those of an app that claim alike have the very same request."""
    return _read(_staying(of, but))


def movable(most: int, *, of: str | None = None, but: Collection[str] = ()) -> list[Running]:
    """The same, at most so many; what cannot be moved now, or not without a gap, counts as protected."""
    return _read(_staying(of, but), most, moving=True)


def on(node: str) -> list[Running]:
    """Those on one node."""
    return _read(_staying(None, ()).filter(node__name=node))


def below(priority: int, most: int) -> list[Running]:
    """All instances of the apps with a lower priority that are not protected, but for apps beyond the `most`th."""
    rows = _staying(None, ()).annotate(worth=WORTH).filter(worth__lt=priority)
    return _read(rows.exclude(app__priority_class__protected=True), most)


def any_below(priority: int) -> bool:
    rows = _staying(None, ()).annotate(worth=WORTH).filter(worth__lt=priority)
    return rows.exclude(app__priority_class__protected=True).exists()


def _read(rows: QuerySet[tables.Instance], most: int | None = None, *, moving: bool = False) -> list[Running]:
    apps = _apps(rows)
    requests: dict[tuple[int, Resources], Request] = {}
    found = []
    columns = ("id", "app_id", "node__name", "state", "cpu", "memory", "disk")
    for row_id, app_id, node, state, cpu, memory, disk in rows.order_by("id").values_list(*columns)[:most].iterator():
        if app_id not in apps:
            continue  # it came after the look at the apps
        claim = Resources(cpu, memory, disk, 1)
        request, protected, still = apps[app_id]
        if (app_id, claim) not in requests:  # an update of the app may be under way
            requests[app_id, claim] = replace(request, resources=claim)
        kept = protected or (moving and still)
        found.append(Running(row_id, requests[app_id, claim], node, healthy=state == State.HEALTHY, protected=kept))
    return found


def _staying(of: str | None, but: Collection[str]) -> QuerySet[tables.Instance]:
    rows = tables.Instance.objects.filter(gone_at=None, state__in=STAYING, relocate="", app__release__isnull=False)
    return (rows.filter(group__name=of) if of else rows).exclude(group__name__in=but)


def _apps(rows: QuerySet[tables.Instance]) -> dict[int, tuple[Request, bool, bool]]:
    """By id: what an app's instances are placed by now, whether its class protects it, and whether it has to stay."""
    apps = tables.App.objects.filter(id__in=rows.order_by().values("app_id"), release__isnull=False)
    found = {}
    apart = reading.keeping_apart(None)
    for app in apps.select_related("group", "release", "priority_class"):
        spec = as_spec(app.release.spec, app.release.digest)
        protected = app.priority_class is not None and app.priority_class.protected
        found[app.id] = _request(app, spec, apart), protected, not _movable(app, spec)
    return found


def _request(app: tables.App, spec: Spec, apart: Mapping[tuple[str, str], tuple[Affinity, ...]]) -> Request:
    priority = app.priority_class.value if app.priority_class else 0
    return reading.request_of(app.group.name, app.name, spec, 1, apart.get((app.group.name, app.name), ()), priority)


def _movable(app: tables.App, spec: Spec) -> bool:
    """Whether an instance can run elsewhere before it ends here, while nothing else is done to the app."""
    gentle = spec.update.strategy is not Strategy.RECREATE and (
        spec.update.max_surge or not spec.update.max_unavailable
    )
    return bool(gentle and app.settled and app.running and not app.deleting)
