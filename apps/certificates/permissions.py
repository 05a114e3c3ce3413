"""Who sees a certificate and what they may do with it: what their role in its group allows."""

from __future__ import annotations

from apps.accounts.models import User
from apps.certificates.models import Certificate
from apps.errors import NotFound
from apps.groups.models import Role
from apps.groups.permissions import get_group


def get_certificate(user: User, group: str, name: str, role: Role = Role.VIEWER) -> Certificate:
    """For someone who has at least `role` in its group. Raises `NotFound`, `Forbidden`."""
    found = get_group(user, group)
    certificate = Certificate.objects.select_related("group").filter(group=found, name=name).first()
    if certificate is None:
        raise NotFound
    get_group(user, group, role)
    return certificate
