"""Nodes whose engine is gone for good: forgetting one, with what is recorded on it.

A row waits for an engine to say that its container is gone. Where there is no engine any more, someone has to say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications.models import Instance
from apps.errors import Conflict
from apps.events import services as events
from apps.nodes.models import Node
from scheduler import wake
from scheduler.lifecycle import State
from scheduler.reasons import Reason

# What no edge sends requests to: never seen to run, or withdrawn, and replaced wherever there is room.
GIVEN_UP = (State.ASSIGNED, State.WITHDRAWN, State.STOPPING)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A container that may still be on the engine, where nobody stops it."""

    app: str  # group/app
    instance: str  # slot-generation
    container: str  # the engine's id; empty: it is not known to have been made


def abandon(actor: User | None, node: Node) -> Sequence[LeftBehind]:
    """Forget a node that is down, and take the instances that were given up on it for gone.

    Raises `Conflict` when its engine answers, and while edges may still reach instances on it. Should the engine come
    back and be enrolled again, what was left on it belongs to nothing and is removed.
    """
    try:
        with transaction.atomic():
            row = Node.objects.select_for_update().get(pk=node.pk)
            if row.reachable:
                raise Conflict(_("The engine of this node answers: drain the node, then remove it."), "node_answers")
            rows = list(row.instances.filter(gone_at=None).select_related("app", "group").order_by("pk"))
            serving = sum(instance.state not in GIVEN_UP for instance in rows)
            if serving:
                raise _still_serve(serving)
            left = [_take_for_gone(instance, row) for instance in rows]
            row.delete()
            events.record("node.abandoned", actor=actor, name=row.name, left=len(left))
            for app_id in {instance.app_id for instance in rows}:
                wake.reconcile(app_id)
            return left
    except (Node.DoesNotExist, IntegrityError):  # removed, or given another instance, at this very moment
        raise Conflict(_("The node has just changed; look at it again."), "node_changed") from None


def _still_serve(count: int) -> Conflict:
    message = _(
        "%(count)s instances on this node may still serve. Those that the edges cannot reach are given up within a "
        "minute, and replaced where there is room."
    )
    return Conflict(message % {"count": count}, "node_has_instances")


def _take_for_gone(instance: Instance, node: Node) -> LeftBehind:
    now = timezone.now()
    unchanged = Instance.objects.filter(pk=instance.pk, gone_at=None, state=instance.state)
    if not unchanged.update(state=State.GONE, since=now, gone_at=now):
        raise Conflict(_("The node has just changed; look at it again."), "node_changed")
    about = {"slot": instance.slot, "generation": instance.generation, "node": node.name}
    reason = Reason.from_dict(instance.reason) if instance.reason else None
    events.record("instance.gone", app=instance.app, group=instance.group, reason=reason, **about)
    name = f"{instance.group.name}/{instance.app.name}"
    return LeftBehind(name, f"{instance.slot}-{instance.generation}", instance.container)
