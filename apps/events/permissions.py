"""Who sees an event: whoever sees its group. Those of no group, of nodes and accounts, are for admins."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.events.models import Event
from apps.groups.permissions import visible_groups


def visible_events(user: User) -> QuerySet[Event]:
    """The events that exist for `user`."""
    return Event.objects.all() if user.is_admin else Event.objects.filter(group__in=visible_groups(user))
