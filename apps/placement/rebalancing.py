"""Moving instances to nodes that suit them better: whether, how many, and which would move now."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications.models import Instance
from apps.errors import invalid
from apps.events import services as events
from apps.placement.models import RebalancePolicy
from scheduler import wake
from scheduler.model import Relocate

MOST = 1000


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """`gain` is by how much the new node's score is higher, in thousandths of a weighed point."""

    app: str
    instance: str
    source: str
    target: str
    gain: int


def policy() -> RebalancePolicy:
    """What holds; the default until someone has set it."""
    return RebalancePolicy.objects.filter(pk=1).first() or RebalancePolicy(pk=1)


def set_policy(actor: User | None, *, enabled: bool | None = None, most: int | None = None) -> RebalancePolicy:
    """Turn it on or off, say how many move at once. None: as it is. Raises `Invalid`."""
    if most is not None and not 1 <= most <= MOST:
        raise invalid("most", "out_of_range", _("This is from %(low)s to %(high)s.") % {"low": 1, "high": MOST})
    fresh = {name: value for name, value in (("enabled", enabled), ("most", most)) if value is not None}
    with transaction.atomic():
        RebalancePolicy.objects.get_or_create(pk=1)
        if RebalancePolicy.objects.filter(pk=1).exclude(**fresh).update(**fresh) if fresh else 0:
            events.record("cluster.rebalance_set", actor=actor)
    return policy()


def under_way() -> int:
    """How many instances are moving for the better."""
    return Instance.objects.filter(relocate=Relocate.REBALANCE, gone_at=None).count()


def plan() -> list[PlannedMove]:
    """What would move now, the best first: no more than may move beside what does already."""
    from scheduler import queries  # loads the engine's client, which most requests do without

    room = policy().most - under_way()
    return [PlannedMove(*move) for move in queries.planned_moves(room)] if room > 0 else []


def begin(actor: User | None) -> None:
    """Have instances moved, whether that is turned on or not."""
    with transaction.atomic():
        events.record("cluster.rebalance_asked", actor=actor)
        wake.rebalance()
