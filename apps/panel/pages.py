"""The overview: what is wrong, what is going on, what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count
from django.http import QueryDict

from apps.accounts.models import User
from apps.applications.models import App, AppStatus
from apps.events import pages as events
from apps.events.permissions import visible_events
from apps.groups.pages import with_health
from apps.groups.permissions import visible_groups
from apps.nodes.models import NodeState
from apps.nodes.permissions import visible_nodes
from apps.operations.models import ACTIVE
from apps.operations.permissions import visible_operations
from apps.panel.page import Context, LivePage

RECENT = 8
MOST = 20  # apps and operations that are listed
ATTENTION = (AppStatus.FAILING, AppStatus.DEGRADED, AppStatus.PENDING)


class Overview(LivePage):
    template = "panel/overview.html"
    regions = ("panel/figures", "panel/attention", "panel/happening", "panel/resources")

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        groups, nodes = list(visible_groups(user)), list(visible_nodes(user))
        apps = App.objects.filter(group__in=groups)
        counts = dict(apps.order_by().values_list("status").annotate(n=Count("pk")))
        return {
            "groups": groups,
            "nodes": nodes,
            "ready": sum(node.state == NodeState.READY for node in nodes),
            "statuses": [(status.value, counts[status.value]) for status in AppStatus if counts.get(status.value)],
            "app_count": sum(counts.values()),
            "attention": list(with_health(apps.filter(status__in=ATTENTION))[:MOST]),
            "operations": list(visible_operations(user).filter(status__in=ACTIVE)[:MOST]),
            "events": events.recent(visible_events(user), RECENT),
            "is_admin": user.is_admin,
        }

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {"nodes"} | {f"group.{group.pk}" for group in context["groups"]}
