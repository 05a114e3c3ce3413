"""Who sees nodes: admins. Members of groups see the names of the nodes that their instances run on, with these."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.errors import NotFound
from apps.groups.permissions import check_admin
from apps.nodes.models import Node


def visible_nodes(user: User) -> QuerySet[Node]:
    return Node.objects.all() if user.is_admin else Node.objects.none()


def get_node(user: User, name: str) -> Node:
    """The node, for admins. Raises `Forbidden`, `NotFound`."""
    check_admin(user)
    node = Node.objects.filter(name=name).first()
    if node is None:
        raise NotFound
    return node
