"""Who sees an operation: whoever sees its group. Those of groups that are gone are for admins."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.errors import NotFound
from apps.groups.models import Role
from apps.groups.permissions import check_role, visible_groups
from apps.operations.models import Operation


def visible_operations(user: User) -> QuerySet[Operation]:
    """The operations that exist for `user`."""
    return Operation.objects.all() if user.is_admin else Operation.objects.filter(group__in=visible_groups(user))


def get_operation(user: User, id: uuid.UUID, role: Role = Role.VIEWER) -> Operation:
    """The operation, for someone who has at least `role` in its group. Raises `NotFound`, `Forbidden`."""
    operation = visible_operations(user).select_related("group", "created_by").filter(pk=id).first()
    if operation is None:
        raise NotFound
    if operation.group is not None:
        check_role(user, operation.group, role)
    return operation
