"""Groups: making and deleting them, their quota, their members."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.checks import MOST, out_of_range
from apps.errors import Conflict, FieldError, Invalid, conflict, invalid
from apps.events import services as events
from apps.fields import check_name
from apps.groups.models import Group, Membership, Role
from apps.quantities import name_figure, show_figure
from scheduler import wake
from scheduler.model import Resources

SUBNET_PREFIX = 22  # 1,022 addresses a group
FIGURES = ("cpu", "memory", "disk", "instances")
_ATTEMPTS = 20  # so many groups may be made at the same moment


def create_group(actor: User | None, name: str, quota: Resources) -> Group:
    """A new group with a network of its own and no members. Raises `Invalid`, `Conflict`."""
    check_name(name)
    _check_quota(quota)
    for _attempt in range(_ATTEMPTS):
        subnet = _free_subnet()
        try:
            with transaction.atomic():
                group = Group.objects.create(name=name, subnet=str(subnet), **_columns("quota", quota))
                events.record("group.created", actor=actor, group=group)
                return group
        except IntegrityError:
            if Group.objects.filter(name=name).exists():
                said = _("There is a group named “%(name)s”.") % {"name": name}
                raise conflict("name", "group_exists", said) from None
            # else another group took the subnet meanwhile: cut the next one
    raise Conflict(_("Too many groups are being made at once; try again."), "busy")


def set_quota(actor: User, group: Group, quota: Resources) -> Group:
    """What the group may reserve from now on. Raises `Conflict` below what it has reserved already."""
    _check_quota(quota)
    fits = {f"reserved_{figure}__lte": getattr(quota, figure) for figure in FIGURES}
    with transaction.atomic():
        changed = Group.objects.filter(pk=group.pk, **fits).update(**_columns("quota", quota))
        group.refresh_from_db()
        if not changed:
            raise _below_reserved(group, quota)
        events.record("group.quota_set", actor=actor, group=group)
    return group


def delete_group(actor: User, group: Group) -> None:
    """Delete a group that has no apps; what its network left on the nodes is removed after that."""
    has_apps = Conflict(_("The group has apps; delete them first."), "group_has_apps")
    if group.apps.exists():
        raise has_apps
    try:
        with transaction.atomic():
            group.delete()
            events.record("group.deleted", actor=actor, name=group.name)
            wake.remove_group(group.name)
    except (ProtectedError, IntegrityError):  # an app was made meanwhile
        raise has_apps from None


def set_member(actor: User, group: Group, username: str, role: str) -> Membership:
    """Give a user a role in the group, whether they had one or not. The last owner stays one."""
    if role not in Role.values:
        raise invalid("role", "invalid_choice", _("A role is owner, developer or viewer."))
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise invalid("username", "unknown_user", _("There is no active user of this name."))
    with transaction.atomic():
        _lock(group)
        if role != Role.OWNER:
            _keep_an_owner(group, without=user, field="role")
        member, created = Membership.objects.update_or_create(group=group, user=user, defaults={"role": role})
        kind = "member.added" if created else "member.changed"
        events.record(kind, actor=actor, group=group, user=username, role=role)
    return member


def remove_member(actor: User, group: Group, username: str) -> None:
    """End a membership; one that is not there is no error. The last owner cannot go."""
    with transaction.atomic():
        _lock(group)
        member = group.memberships.select_related("user").filter(user__username=username).first()
        if member is None:
            return
        _keep_an_owner(group, without=member.user)
        member.delete()
        events.record("member.removed", actor=actor, group=group, user=username)


def reserve(group_id: int, delta: Resources) -> None:
    """Add `delta`, which may be negative, to what the group has reserved. Raises `Conflict` when over quota.

    One conditional update decides, so requests in parallel never exceed the quota together. Call it inside the
    transaction that changes the spec.
    """
    if delta == Resources():
        return
    # a figure that does not grow is let through: less may always be asked for
    fits = {
        f"reserved_{figure}__lte": F(f"quota_{figure}") - getattr(delta, figure)
        for figure in FIGURES
        if getattr(delta, figure) > 0
    }
    added = {f"reserved_{figure}": F(f"reserved_{figure}") + getattr(delta, figure) for figure in FIGURES}
    if not Group.objects.filter(pk=group_id, **fits).update(**added):
        raise _over_quota(Group.objects.get(pk=group_id), delta)


def move_subnet(group: Group) -> None:
    """Give a group whose subnet something else has another one. Call it while nothing of the group is attached."""
    taken = ipaddress.ip_network(group.subnet)
    group.subnet = str(_free_subnet(after=taken))
    group.save(update_fields=["subnet"])


def quota_of(group: Group) -> Resources:
    return Resources(**{figure: getattr(group, f"quota_{figure}") for figure in FIGURES})


def reserved_of(group: Group) -> Resources:
    return Resources(**{figure: getattr(group, f"reserved_{figure}") for figure in FIGURES})


def _free_subnet(after: ipaddress.IPv4Network | None = None) -> ipaddress.IPv4Network:
    used = set(Group.objects.values_list("subnet", flat=True))
    pool: ipaddress.IPv4Network = settings.BERTH.subnets
    subnets: Iterable[ipaddress.IPv4Network] = pool.subnets(new_prefix=max(SUBNET_PREFIX, pool.prefixlen))
    free = next((s for s in subnets if str(s) not in used and (after is None or s > after)), None)
    if free is None:
        raise Conflict(_("Every subnet of %(pool)s is in use by a group.") % {"pool": pool}, "no_subnet_left")
    return free


def _lock(group: Group) -> None:
    """Let one change of the members at a time look at who is left."""
    Group.objects.select_for_update(no_key=True).get(pk=group.pk)


def _keep_an_owner(group: Group, without: User, field: str = "") -> None:
    owners = set(group.memberships.filter(role=Role.OWNER).values_list("user_id", flat=True))
    if owners == {without.pk}:
        said = _("A group keeps at least one owner.")
        raise conflict(field, "last_owner", said) if field else Conflict(said, "last_owner")


def _check_quota(quota: Resources) -> None:
    errors = [
        FieldError(f"quota.{figure}", "out_of_range", str(out_of_range(0, show_figure(figure, MOST[figure]))))
        for figure in FIGURES
        if not 0 <= getattr(quota, figure) <= MOST[figure]
    ]
    if errors:
        raise Invalid(errors)


def _columns(prefix: str, amount: Resources) -> dict[str, int]:
    return {f"{prefix}_{figure}": getattr(amount, figure) for figure in FIGURES}


def _below_reserved(group: Group, quota: Resources) -> Conflict:
    low = [figure for figure in FIGURES if getattr(quota, figure) < getattr(group, f"reserved_{figure}")]
    shown = {figure: show_figure(figure, getattr(group, f"reserved_{figure}")) for figure in low}
    said = ", ".join(f"{name_figure(figure)} ({amount})" for figure, amount in shown.items())
    errors = [
        FieldError(figure, "quota_below_reserved", _("%(amount)s is reserved already.") % {"amount": amount})
        for figure, amount in shown.items()
    ]
    message = _("More than this is reserved already: %(figures)s.") % {"figures": said}
    return Conflict(message, "quota_below_reserved", errors)


def _over_quota(group: Group, delta: Resources) -> Conflict:
    errors = []
    for figure in FIGURES:
        wanted, quota = getattr(delta, figure), getattr(group, f"quota_{figure}")
        over = getattr(group, f"reserved_{figure}") + wanted - quota
        if wanted > 0 and over > 0:
            params = {
                "figure": name_figure(figure),
                "over": show_figure(figure, over),
                "quota": show_figure(figure, quota),
            }
            message = _("%(figure)s by %(over)s (quota %(quota)s)") % params
            field = "replicas" if figure == "instances" else f"resources.{figure}"
            errors.append(FieldError(field, "over_quota", message))
    said = ", ".join(error.message for error in errors)
    return Conflict(_("Over the quota of the group: %(figures)s.") % {"figures": said}, "over_quota", errors)
