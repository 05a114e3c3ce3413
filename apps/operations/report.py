"""What an operation did: which instances it made and which it retired, and when each took each step."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.applications.models import Instance
from apps.operations.models import Operation
from scheduler.traffic import here
from scheduler.traffic.figures import Figures, total
from scheduler.traffic.source import TrafficUnavailable

KNOWN = timedelta(minutes=55)  # for which traffic is known in steps that are short enough


def instances(operation: Operation) -> QuerySet[Instance]:
    """The instances that came or went while the operation was under way, in the order they were made.

    One that failed meanwhile is among them, whoever's fault it was; rows are kept for some days (`scheduler.store`).
    """
    began, ended = operation.started_at or operation.created_at, operation.ended_at
    during = Q()
    for moment in ("created_at", "draining_at", "withdrawn_at"):
        span = Q(**{f"{moment}__gte": began})
        during |= span & Q(**{f"{moment}__lte": ended}) if ended else span
    rows = Instance.objects.filter(during, app_id=operation.app_id).select_related("release", "node")
    return rows.order_by("generation")


def served(operation: Operation) -> Figures | None:
    """What the app's edges served while the operation was under way, to within a step of 10 s at either end.

    None where that is not known: it began too long ago, its app has gone, or the figures cannot be read.
    """
    began, until = operation.started_at, operation.ended_at or timezone.now()
    if began is None or began < timezone.now() - KNOWN or operation.group is None:
        return None
    try:
        points = here.source().series(
            (operation.group.name, operation.app_name), (until - began).total_seconds(), until.timestamp()
        )
    except TrafficUnavailable:
        return None
    return total(each for point in points for each in point.releases.values())
