"""Who sees an app and what they may do with it: what their role in its group allows."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.applications.models import App
from apps.errors import NotFound
from apps.groups.models import Role
from apps.groups.permissions import check_role, visible_groups


def visible_apps(user: User) -> QuerySet[App]:
    """The apps that exist for `user`."""
    apps = App.objects.select_related("group")
    return apps if user.is_admin else apps.filter(group__in=visible_groups(user))


def get_app(user: User, group: str, name: str, role: Role = Role.VIEWER) -> App:
    """The app with its release, for someone who has at least `role` in its group. Raises `NotFound`, `Forbidden`."""
    rows = visible_apps(user).select_related("group", "release", "last_good")
    app = rows.filter(group__name=group, name=name).first()
    if app is None:
        raise NotFound
    check_role(user, app.group, role)
    return app
