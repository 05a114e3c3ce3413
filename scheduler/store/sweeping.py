"""Which apps and nodes want to be looked at, when no event said so."""

from __future__ import annotations

from itertools import chain

from django.db.models import Exists, OuterRef, Q

from apps.applications.models import App, Instance
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations.models import ACTIVE, Operation
from scheduler.lifecycle import State
from scheduler.model import OperationStatus


def unsettled() -> list[int]:
    """Apps whose last pass left something to do or to wait for."""
    return list(App.objects.filter(settled=False).values_list("id", flat=True))


def underway() -> list[int]:
    """The unsettled apps, but for those where nothing happens until there is room: that has events of its own."""
    here = OuterRef("id")
    moving = Instance.objects.filter(app=here, gone_at=None).exclude(state=State.HEALTHY)
    begun = Operation.objects.filter(app=here, status=OperationStatus.PENDING)
    resting = Q(explanation__isnull=False) & ~Exists(moving) & ~Exists(begun)
    return list(App.objects.filter(settled=False).exclude(resting).values_list("id", flat=True))


def everyone() -> list[int]:
    return list(App.objects.values_list("id", flat=True))


def leaving() -> list[int]:
    """Apps that wait for the edges: an instance goes, a canary's share is new, or an operation is about to end."""
    going = Instance.objects.filter(gone_at=None, state__in=[State.DRAINING, State.WITHDRAWN])
    shifting = App.objects.filter(canary_release__isnull=False, canary_since=None)
    ending = Operation.objects.filter(status__in=ACTIVE, waits_for__code="awaiting_edges")
    ids = (
        going.values_list("app_id", flat=True),
        shifting.values_list("id", flat=True),
        ending.values_list("app_id", flat=True),
    )
    return list(set(chain.from_iterable(ids)))


def pending(group_id: int | None = None) -> list[int]:
    """Apps, of one group or of all, that wait for room on some node."""
    rows = App.objects.filter(settled=False, explanation__isnull=False)
    return list((rows if group_id is None else rows.filter(group=group_id)).values_list("id", flat=True))


def app_id(group: str, app: str) -> int | None:
    return App.objects.filter(group__name=group, name=app).values_list("id", flat=True).first()


def app_names() -> set[tuple[str, str]]:
    """(group, app) of every app that there is."""
    return set(App.objects.values_list("group__name", "name"))


def served_apps() -> dict[tuple[str, str], int]:
    """(group, app) -> id of every app that etcd has to know of."""
    rows = App.objects.filter(release__isnull=False, deleting=False)
    return {(group, name): app_id for group, name, app_id in rows.values_list("group__name", "name", "id")}


def node_urls() -> dict[str, str]:
    """Every node's name and the URL of its engine."""
    return dict(Node.objects.values_list("name", "engine_url"))


def group_names() -> set[str]:
    return set(Group.objects.values_list("name", flat=True))


def reachable_nodes() -> list[str]:
    return list(Node.objects.filter(reachable=True).values_list("name", flat=True))
