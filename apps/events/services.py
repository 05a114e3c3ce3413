"""Writing history. The only place that makes events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.events.messages import MESSAGES
from apps.events.models import Event
from apps.panel import live
from scheduler.reasons import Reason, stored

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.applications.models import App
    from apps.groups.models import Group
    from apps.nodes.models import Node
    from apps.operations.models import Operation


def record(
    kind: str,
    *,
    actor: User | None = None,
    group: Group | None = None,
    app: App | None = None,
    node: Node | str | None = None,
    operation: Operation | None = None,
    reason: Reason | None = None,
    **params: Any,
) -> Event:
    """Add an event and hint at it to the pages that show what it is about.

    Call it in the transaction of the change itself. Names go into `params` of their own accord, since the history
    outlives what it is about; of a node the name alone will do where the event is not part of the node's history.
    Figures are those of a reason: amounts and other reasons too. Raises `KeyError` for a kind that has no sentence.
    Never pass a secret.
    """
    if kind not in MESSAGES:
        raise KeyError(kind)
    if app is not None:
        params.setdefault("app", app.name)
        group = group or app.group
    if group is not None:
        params.setdefault("group", group.name)
    if node is not None:
        params["node"] = str(node)
    if operation is not None:
        params.setdefault("operation", operation.kind)
    event = Event.objects.create(
        kind=kind,
        params={name: stored(value) for name, value in params.items()},
        reason=reason.as_dict() if reason else None,
        actor=actor,
        group=group,
        app=app,
        node=None if isinstance(node, str) else node,
        operation=operation,
    )
    live.announce(*_topics(group, app, node, operation))
    return event


def _topics(group: Group | None, app: App | None, node: Node | str | None, operation: Operation | None) -> list[str]:
    topics = ["events"]
    if group is not None:
        topics.append(f"group.{group.pk}")
    if app is not None:
        topics.append(f"app.{app.pk}")
    if node is not None and not isinstance(node, str):
        topics.append("nodes")
    if operation is not None:
        topics.append(f"operation.{operation.pk.hex}")
    return topics
