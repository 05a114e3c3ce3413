"""Who sees a group and what they may do in it.

To an outsider nothing of a group exists: what they ask for is not found, whether it is there or not. A member whose
role is too small is told so. Admins act in every group.
"""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.errors import Forbidden, NotFound
from apps.groups.models import Group, Membership, Role

_RANK = {Role.VIEWER: 1, Role.DEVELOPER: 2, Role.OWNER: 3}


def visible_groups(user: User) -> QuerySet[Group]:
    """The groups that exist for `user`."""
    if user.is_admin:
        return Group.objects.all()
    if not user.is_active:
        return Group.objects.none()
    # through the memberships' own index, and without the duplicates that a join may bring
    return Group.objects.filter(pk__in=Membership.objects.filter(user_id=user.pk).values("group_id"))


def role_in(user: User, group: Group) -> Role | None:
    """The role of `user` in `group`, an owner's for admins; None for outsiders."""
    if user.is_admin:
        return Role.OWNER
    if not user.is_active:
        return None
    role = Membership.objects.filter(user_id=user.pk, group=group).values_list("role", flat=True).first()
    return Role(role) if role else None


def allows(role: Role | None, wanted: Role) -> bool:
    """Whether `role` includes what `wanted` may do."""
    return role is not None and _RANK[role] >= _RANK[wanted]


def get_group(user: User, name: str, role: Role = Role.VIEWER) -> Group:
    """The group, for someone who has at least `role` in it. Raises `NotFound` (outsiders), `Forbidden` (members)."""
    group = visible_groups(user).filter(name=name).first()
    if group is None:
        raise NotFound
    check_role(user, group, role)
    return group


def check_role(user: User, group: Group, role: Role) -> None:
    """Raise `NotFound` or `Forbidden` unless `user` has at least `role` in `group`."""
    has = role_in(user, group)
    if has is None:
        raise NotFound
    if not allows(has, role):
        raise Forbidden


def check_admin(user: User) -> None:
    """Raise `Forbidden` unless `user` is an admin."""
    if not user.is_admin:
        raise Forbidden
