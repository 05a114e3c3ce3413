"""What an operation did: which instances it made and which it retired, and when each took each step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.applications.models import Instance
from apps.operations.models import Operation
from scheduler.traffic import here
from scheduler.traffic.figures import Figures, total
from scheduler.traffic.source import TrafficUnavailable

KNOWN = timedelta(minutes=55)  # for which traffic is known in steps that are short enough
MOST_INSTANCES = 100  # that a report shows; the API lists them all (`operations/{id}/instances`)


class NotKnown(Exception):
    """The figures of an operation are not to be had: a stable code, and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Report:
    """What happened while an operation was under way. `served` is None where it is not known; `unknown` says why."""

    instances: list[Instance]
    more: bool  # instances than these
    served: Figures | None
    unknown: NotKnown | None


def instances(operation: Operation) -> QuerySet[Instance]:
    """The instances that came or went from when the operation was asked for until it ended, in the order of making.

    One that failed meanwhile is among them, whoever's fault it was; rows are kept for some days (`scheduler.store`).
    """
    # from when it was asked for: the loop has placed its first instances when it records that it has begun
    began, ended = operation.created_at, operation.ended_at
    during = Q()
    for moment in ("created_at", "draining_at", "withdrawn_at"):
        span = Q(**{f"{moment}__gte": began})
        during |= span & Q(**{f"{moment}__lte": ended}) if ended else span
    rows = Instance.objects.filter(during, app_id=operation.app_id).select_related("release", "node")
    return rows.order_by("generation")


def of(operation: Operation) -> Report:
    """All that an operation's page and the API say of it beyond its row."""
    found = list(instances(operation)[: MOST_INSTANCES + 1])
    shown, more = found[:MOST_INSTANCES], len(found) > MOST_INSTANCES
    try:
        return Report(shown, more, served(operation), None)
    except NotKnown as unknown:
        return Report(shown, more, None, unknown)


def served(operation: Operation) -> Figures:
    """What the app's edges served while the operation was under way, to within a step of 10 s at either end.

    Raises `NotKnown`.
    """
    began, until = operation.started_at, operation.ended_at or timezone.now()
    if began is None:
        raise NotKnown("not_begun", _("It has not begun."))
    if operation.group is None:
        raise NotKnown("group_gone", _("Its group has gone."))
    if began < timezone.now() - KNOWN:
        raise NotKnown("too_long_ago", _("It began too long ago: the figures are kept in short steps for an hour."))
    try:
        points = here.source().series(
            (operation.group.name, operation.app_name), (until - began).total_seconds(), until.timestamp()
        )
    except TrafficUnavailable:
        raise NotKnown("traffic_unavailable", _("The figures cannot be read now.")) from None
    return total(each for point in points for each in point.releases.values())
