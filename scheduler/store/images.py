"""Which images each node has -> rows, for the placement to prefer nodes that need not fetch one."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models.functions import Now

from apps.nodes.models import Node, NodeImages

MOST = 200  # images of one node; of more, the largest: fetching those costs most


def record(name: str, sizes: Mapping[str, int]) -> None:
    """The node's engine has these images, of so many bytes. Writes only what changed."""
    most = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    fresh = dict(sorted(most))
    known = NodeImages.objects.filter(node__name=name).values_list("sizes", flat=True).first()
    if fresh == (known or {}):
        return
    with transaction.atomic():
        node = Node.objects.filter(name=name).first()
        if node is not None:  # its images first: who removes a node locks in this order too
            NodeImages.objects.update_or_create(node=node, defaults={"sizes": fresh})
            Node.objects.filter(pk=node.pk).update(changed_at=Now())
