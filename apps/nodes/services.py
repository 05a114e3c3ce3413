"""Nodes: enrolling Docker Engines, changing what ops may change of them, taking them out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.errors import Conflict, FieldError, Invalid, invalid
from apps.events import services as events
from apps.fields import check_name
from apps.nodes.models import Node
from scheduler import wake
from scheduler.model import Resources

SCHEMES = frozenset({"unix", "tcp", "fake"})  # fake: an engine in memory, for tests
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", re.ASCII)
_LARGEST = 1 << 60


def enrol(name: str, engine_url: str, labels: Mapping[str, str] | None = None, *, actor: User | None = None) -> Node:
    """The node `name` for the engine at `engine_url`, made unless it is there. `labels` replace what it has.

    Raises `Invalid`, and `Conflict` when name or engine belong to another node.
    """
    check_name(name)
    _check_url(engine_url)
    if labels is not None:
        _check_labels(labels)
    try:
        with transaction.atomic():
            node, created = Node.objects.get_or_create(
                name=name, defaults={"engine_url": engine_url, "labels": dict(labels or {})}
            )
            if created:
                events.record("node.enrolled", actor=actor, node=node)
    except IntegrityError:
        raise Conflict(_("Another node has this engine."), "engine_exists") from None
    if node.engine_url != engine_url:
        raise Conflict(_("The node “%(name)s” has another engine.") % {"name": name}, "node_exists")
    if not created and labels is not None and node.labels != labels:
        node = change_node(actor, node, labels=labels)
    wake.check_node(node.name)
    return node


def change_node(
    actor: User | None,
    node: Node,
    *,
    cordoned: bool | None = None,
    labels: Mapping[str, str] | None = None,
    system: Resources | None = None,
) -> Node:
    """Cordon a node or take it back, replace its labels, keep some of it back for the system. None: as it is."""
    changes: dict[str, object] = {}
    kinds = []
    if cordoned is not None and cordoned != node.cordoned:
        changes["cordoned"] = cordoned
        kinds.append("node.cordoned" if cordoned else "node.uncordoned")
    if labels is not None and labels != node.labels:
        _check_labels(labels)
        changes["labels"] = dict(labels)
        kinds.append("node.labelled")
    if system is not None and system != system_of(node):
        _check_system(system)
        changes |= {"system_cpu": system.cpu, "system_memory": system.memory, "system_disk": system.disk}
        kinds.append("node.system_set")
    if changes:
        with transaction.atomic():
            Node.objects.filter(pk=node.pk).update(**changes, changed_at=Now())
            node.refresh_from_db()
            for kind in kinds:
                events.record(kind, actor=actor, node=node)
            wake.check_node(node.name)
            wake.pending()
    return node


def remove_node(actor: User, node: Node) -> None:
    """Forget a node that no instance is on; those that were are kept as history."""
    occupied = Conflict(_("Instances are on this node; move them away first."), "node_has_instances")
    if node.instances.filter(gone_at=None).exists():
        raise occupied
    try:
        with transaction.atomic():
            node.delete()
            events.record("node.removed", actor=actor, name=node.name)
    except IntegrityError:  # one was placed here meanwhile
        raise occupied from None


def system_of(node: Node) -> Resources:
    """What is kept back for the system."""
    return Resources(node.system_cpu, node.system_memory, node.system_disk)


def capacity_of(node: Node) -> Resources:
    """What its engine has, the system's share included."""
    return Resources(node.capacity_cpu, node.capacity_memory, node.capacity_disk, node.capacity_instances)


def reserved_of(node: Node) -> Resources:
    """What the instances that are placed here have claimed."""
    return Resources(node.reserved_cpu, node.reserved_memory, node.reserved_disk, node.reserved_instances)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        well = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.netloc)
        parts.port  # noqa: B018 - raises when it is no port
    except ValueError:
        well = False
    if not well or not re.fullmatch(r"[!-~]{1,200}", url):
        message = _("An engine is at unix:///path/to/docker.sock or tcp://host:port.")
        raise invalid("engine_url", "invalid_url", message)


def _check_labels(labels: Mapping[str, str]) -> None:
    message = _("Names and values of labels have 1 to 63 letters, digits and . _ - /")
    errors = [
        FieldError(f"labels.{name}", "invalid_label", message)
        for name, value in labels.items()
        if not isinstance(value, str) or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value) or name == "node"
    ]
    if len(labels) > 64:
        errors.append(FieldError("labels", "too_many", _("A node has at most 64 labels.")))
    if errors:
        raise Invalid(errors)


def _check_system(system: Resources) -> None:
    errors = [
        FieldError(f"system.{figure}", "out_of_range", _("This is 0 or more, and not absurdly much."))
        for figure in ("cpu", "memory", "disk")
        if not 0 <= getattr(system, figure) <= _LARGEST
    ]
    if errors:
        raise Invalid(errors)
