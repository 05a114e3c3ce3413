"""How long history is kept, and deleting what is older, in small transactions so that nobody waits for it.

What is in use is kept however old it is: the newest operations of each app, and the releases that are wanted, that
last served well, that an instance was made from, or that are among the newest and can be gone back to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, Model, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from apps.accounts import logins
from apps.applications import releases
from apps.applications.models import App, Instance, Release
from apps.errors import Problem
from apps.events.models import Event
from apps.operations.models import ACTIVE, Operation
from apps.rest.models import IdempotencyKey

BATCH = 500  # rows a transaction
BATCHES = 20  # a run and a kind of row, at most: what is left is for the next run
KEEP_INSTANCES = timedelta(days=7)  # that are gone
KEEP_KEYS = timedelta(days=1)  # for which the API's answers are remembered
NEWEST_OPERATIONS = 20  # of each app


def prune(now: datetime) -> Mapping[str, int]:
    """Delete what is old enough; how many rows of each kind. May be cut off at any point, and may run twice at once."""
    keep = settings.BERTH
    rows: dict[str, Callable[[], int]] = {
        "events": lambda: _events(now - timedelta(days=keep.keep_events)),
        "operations": lambda: _operations(now - timedelta(days=keep.keep_operations)),
        "releases": lambda: _releases(keep.keep_releases),
        "instances": lambda: _in_batches(Instance.objects.filter(gone_at__lt=now - KEEP_INSTANCES)),
        "idempotency_keys": lambda: _in_batches(IdempotencyKey.objects.filter(created_at__lt=now - KEEP_KEYS)),
        "sessions": lambda: _in_batches(Session.objects.filter(expire_date__lt=now)),
        "login_failures": lambda: logins.forget(now),
    }
    return {kind: delete() for kind, delete in rows.items()}


def _in_batches(old: QuerySet[Any]) -> int:
    return _delete(old.model, (list(old.values_list("pk", flat=True)[:BATCH]) for _ in range(BATCHES)))


def _delete(model: type[Model], batches: Iterator[list[Any]]) -> int:
    """Delete batch by batch until one is not full."""
    deleted = 0
    for ids in batches:
        if ids:
            model._default_manager.filter(pk__in=ids).delete()
        deleted += len(ids)
        if len(ids) < BATCH:
            break
    return deleted


def _events(before: datetime) -> int:
    """They are numbered as they come, so the oldest are found without an index of their times."""

    def batches() -> Iterator[list[int]]:
        for _ in range(BATCHES):
            oldest = Event.objects.order_by("id").values_list("id", "at")[:BATCH]
            yield [event for event, at in oldest if at < before]

    return _delete(Event, batches())


def _operations(before: datetime) -> int:
    """Of apps that are gone none stays for being among the newest."""
    order = Window(RowNumber(), partition_by=F("app_id"), order_by=[F("created_at").desc(), F("id").desc()])
    beyond = Operation.objects.order_by().annotate(nth=order).filter(nth__gt=NEWEST_OPERATIONS).values("pk")
    old = Operation.objects.filter(Q(app=None) | Q(pk__in=beyond), ended_at__lt=before)
    return _in_batches(old.exclude(status__in=ACTIVE).order_by())


def _releases(newest: int) -> int:
    order = Window(RowNumber(), partition_by=F("app_id"), order_by=F("number").desc())
    old = Release.objects.order_by().annotate(nth=order).filter(nth__gt=newest)
    deleted = 0
    for app_id in sorted(set(old.values_list("app_id", flat=True))):
        deleted += _releases_of(app_id, newest)
    return deleted


def _releases_of(app_id: int, newest: int) -> int:
    """With the app in hand, so that none of them becomes wanted meanwhile."""
    with transaction.atomic():
        try:
            app = releases.lock(App.objects.get(pk=app_id))
        except (App.DoesNotExist, Problem):  # gone or going, and its releases with it
            return 0
        kept = set(app.releases.order_by("-number").values_list("pk", flat=True)[:newest])
        kept |= {app.release_id, app.last_good_id}
        unused = app.releases.exclude(pk__in=[pk for pk in kept if pk]).filter(instances=None)
        ids = list(unused.values_list("pk", flat=True)[:BATCH])
        Release.objects.filter(pk__in=ids).delete()
    return len(ids)
