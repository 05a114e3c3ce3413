"""Priority classes: ops make them, specs name them.

What a class is worth is looked up when it matters, so a change holds for what runs already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications.models import App
from apps.errors import Conflict, FieldError, Invalid, NotFound, conflict, invalid
from apps.events import services as events
from apps.fields import check_name
from apps.groups.models import Group
from apps.groups.permissions import visible_groups
from apps.placement.models import PriorityClass
from scheduler import wake

HIGHEST = 1_000_000  # and its negative is the lowest


def visible(user: User) -> QuerySet[PriorityClass]:
    """The classes that an app of one of the user's groups may have."""
    rows = PriorityClass.objects.prefetch_related("groups")
    if user.is_admin:
        return rows
    return rows.filter(Q(for_all=True) | Q(groups__in=visible_groups(user))).distinct()


def get(user: User, name: str) -> PriorityClass:
    """Raises `NotFound`."""
    found = visible(user).filter(name=name).first()
    if found is None:
        raise NotFound
    return found


def of_app(group: Group, name: str) -> PriorityClass | None:
    """The class that a spec names, None where it names none. Raises `Invalid` unless its group may use it."""
    if not name:
        return None
    found = PriorityClass.objects.filter(Q(for_all=True) | Q(groups=group), name=name).first()
    if found is None:
        raise invalid("priority", "unknown_priority", _("There is no priority class of this name for the group."))
    return found


def create(
    actor: User | None, name: str, value: int, *, protected: bool = False, groups: Sequence[str] | None = None
) -> PriorityClass:
    """A new class, for every group unless some are named. Raises `Invalid`, `Conflict`."""
    check_name(name)
    _refuse([*_wrong_value(value), *_wrong_groups(groups)])
    try:
        with transaction.atomic():
            row = PriorityClass.objects.create(name=name, value=value, protected=protected, for_all=groups is None)
            row.groups.set(Group.objects.filter(name__in=groups or ()))
            events.record("priority.created", actor=actor, name=name, value=value)
    except IntegrityError:
        said = _("There is a priority class named “%(name)s”.") % {"name": name}
        raise conflict("name", "priority_exists", said) from None
    return row


def change(
    actor: User | None, row: PriorityClass, *, value: int, protected: bool, groups: Sequence[str] | None
) -> PriorityClass:
    """Set all of a class but its name. What it is taken from keeps it until its next release. Raises `Invalid`."""
    _refuse([*_wrong_value(value), *_wrong_groups(groups)])
    with transaction.atomic():
        row.value, row.protected, row.for_all = value, protected, groups is None
        row.save(update_fields=["value", "protected", "for_all"])
        row.groups.set(Group.objects.filter(name__in=groups or ()))
        events.record("priority.changed", actor=actor, name=row.name, value=value)
        wake.pending()  # it may displace something now
    return row


def delete(actor: User | None, row: PriorityClass) -> None:
    """Delete a class that no app has, nor would have if it fell back. Raises `Conflict`."""
    with transaction.atomic():
        PriorityClass.objects.select_for_update().get(pk=row.pk)
        if App.objects.filter(Q(priority_class=row) | Q(last_good__spec__priority=row.name)).exists():
            raise Conflict(_("Apps have this priority class."), "priority_in_use")
        row.delete()
        events.record("priority.deleted", actor=actor, name=row.name)


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise Invalid(errors)


def _wrong_value(value: int) -> Iterator[FieldError]:
    if not -HIGHEST <= value <= HIGHEST:
        limits = {"low": -HIGHEST, "high": HIGHEST}
        yield FieldError("value", "out_of_range", _("This is from %(low)s to %(high)s.") % limits)


def _wrong_groups(groups: Sequence[str] | None) -> Iterator[FieldError]:
    known = set(Group.objects.filter(name__in=groups or ()).values_list("name", flat=True))
    for index, name in enumerate(groups or ()):
        if name not in known:
            yield FieldError(f"groups[{index}]", "unknown_group", _("There is no such group."))
