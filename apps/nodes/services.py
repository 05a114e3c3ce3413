"""Nodes: enrolling Docker Engines, changing what ops may change of them, taking them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.checks import MOST, out_of_range
from apps.errors import Conflict, FieldError, Invalid, conflict, invalid
from apps.events import services as events
from apps.fields import check_name
from apps.nodes.models import USUAL, Node
from apps.quantities import show_figure
from scheduler import wake
from scheduler.model import Resources
from scheduler.placement.values import Taint

FIGURES = ("cpu", "memory", "disk")  # that the system keeps some of, and that can be overcommitted
SCHEMES = frozenset({"unix", "tcp", "fake"})  # fake: an engine in memory, for tests
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", re.ASCII)
MOST_OVERCOMMIT = 1000  # percent


def enrol(name: str, engine_url: str, labels: Mapping[str, str] | None = None, *, actor: User | None = None) -> Node:
    """The node `name` for the engine at `engine_url`, made unless it is there. `labels` replace what it has.

    Raises `Invalid`, and `Conflict` when name or engine belong to another node.
    """
    check_name(name)
    _check_url(engine_url)
    _refuse([*_wrong_labels(labels or {})])
    try:
        with transaction.atomic():
            node, created = Node.objects.get_or_create(
                name=name, defaults={"engine_url": engine_url, "labels": dict(labels or {})}
            )
            if created:
                events.record("node.enrolled", actor=actor, node=node)
    except IntegrityError:
        raise conflict("engine_url", "engine_exists", _("Another node has this engine.")) from None
    if node.engine_url != engine_url:
        raise conflict("name", "node_exists", _("The node “%(name)s” has another engine.") % {"name": name})
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
    taints: Sequence[Taint] | None = None,
    system: Resources | None = None,
    overcommit: Mapping[str, int] | None = None,
) -> Node:
    """Cordon a node or take it back, replace its labels and taints, say how much of it is lent out. None: as it is.

    `system` is kept back; `overcommit` is by figure, in percent of the rest, and leaves the figures that it lacks.
    """
    _refuse(
        [
            *wrong_marks(labels or {}, taints or ()),
            *_wrong_system(system or node.system),
            *_wrong_overcommit(overcommit or {}),
        ]
    )
    changes: dict[str, object] = {}
    kinds = []
    if cordoned is not None and cordoned != node.cordoned:
        changes["cordoned"] = cordoned
        if not cordoned:
            changes["fresh"] = True
        kinds.append("node.cordoned" if cordoned else "node.uncordoned")
    if labels is not None and labels != node.labels:
        changes["labels"] = dict(labels)
        kinds.append("node.labelled")
    if taints is not None and tuple(taints) != node.kept_off_by:
        changes["taints"] = [{"key": taint.key, "value": taint.value, "soft": taint.soft} for taint in taints]
        kinds.append("node.tainted")
    if system is not None and system != node.system:
        changes |= {"system_cpu": system.cpu, "system_memory": system.memory, "system_disk": system.disk}
        kinds.append("node.system_set")
    if overcommit is not None and {**node.overcommit, **overcommit} != node.overcommit:
        changes |= {f"overcommit_{figure}": percent for figure, percent in overcommit.items()}
        kinds.append("node.overcommit_set")
    if changes:
        with transaction.atomic():
            Node.objects.filter(pk=node.pk).update(**changes, changed_at=Now())
            node.refresh_from_db()
            for kind in kinds:
                events.record(kind, actor=actor, node=node)
            wake.check_node(node.name)
            wake.pending()
    return node


def drain(actor: User | None, node: Node) -> Node:
    """Empty a node: it takes nothing new, and what it has moves to others. Doing it again is no error."""
    by = actor.username if actor else ""
    with transaction.atomic():
        fresh = {"draining": True, "drain_by": by, "drain_at": Now(), "drained_at": None, "changed_at": Now()}
        if Node.objects.filter(pk=node.pk, draining=False).update(**fresh):
            events.record("node.draining", actor=actor, node=node)
            wake.relocate()
    node.refresh_from_db()
    return node


def end_drain(actor: User | None, node: Node) -> Node:
    """Take a node back that was emptied, or is: what has not begun to leave stays. Doing it again is no error."""
    with transaction.atomic():
        back = {"draining": False, "drain_by": "", "drain_at": None, "drained_at": None}
        if Node.objects.filter(pk=node.pk, draining=True).update(**back, fresh=True, changed_at=Now()):
            events.record("node.drain_ended", actor=actor, node=node)
            wake.relocate()
            wake.pending()
    node.refresh_from_db()
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


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise Invalid(errors)


def wrong_marks(labels: Mapping[str, str], taints: Sequence[Taint]) -> Iterator[FieldError]:
    """What is wrong with labels and taints, for forms that say it beside what else is."""
    yield from _wrong_labels(labels)
    yield from _wrong_taints(taints)


def _wrong_labels(labels: Mapping[str, str]) -> Iterator[FieldError]:
    message = _("Names and values of labels have 1 to 63 letters, digits and . _ - /")
    for name, value in labels.items():
        if not isinstance(value, str) or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value) or name == "node":
            yield FieldError(f"labels.{name}", "invalid_label", message)
    if len(labels) > 64:
        yield FieldError("labels", "too_many", _("A node has at most 64 labels."))


def _wrong_taints(taints: Sequence[Taint]) -> Iterator[FieldError]:
    message = _("Keys and values of taints have 1 to 63 letters, digits and . _ - /; a value may be empty.")
    for index, taint in enumerate(taints):
        if not _LABEL.fullmatch(taint.key):
            yield FieldError(f"taints[{index}].key", "invalid_taint", message)
        if taint.value and not _LABEL.fullmatch(taint.value):
            yield FieldError(f"taints[{index}].value", "invalid_taint", message)
        if (taint.key, taint.value) in [(one.key, one.value) for one in taints[:index]]:
            yield FieldError(f"taints[{index}]", "duplicate", _("This taint is listed twice."))
    if len(taints) > 32:
        yield FieldError("taints", "too_many", _("A node has at most 32 taints."))


def _wrong_system(system: Resources) -> Iterator[FieldError]:
    for figure in FIGURES:
        if not 0 <= getattr(system, figure) <= MOST[figure]:
            message = str(out_of_range(0, show_figure(figure, MOST[figure])))
            yield FieldError(f"system.{figure}", "out_of_range", message)


def _wrong_overcommit(overcommit: Mapping[str, int]) -> Iterator[FieldError]:
    message = _("This is from %(low)s to %(high)s.") % {"low": USUAL, "high": MOST_OVERCOMMIT}
    for figure, percent in overcommit.items():
        if not USUAL <= percent <= MOST_OVERCOMMIT:
            yield FieldError(f"overcommit.{figure}", "out_of_range", message)
