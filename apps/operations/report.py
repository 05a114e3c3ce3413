"""What an operation did: which instances it made and which it retired, and when each took each step."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps.applications.models import Instance
from apps.operations.models import Operation


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
