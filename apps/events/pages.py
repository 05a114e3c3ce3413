"""The page of events, and what other pages show of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict

from apps.accounts.models import User
from apps.events.models import Event
from apps.events.permissions import visible_events
from apps.groups.permissions import visible_groups
from apps.nodes.permissions import visible_nodes
from apps.panel.page import Context, LivePage

A_PAGE = 50


def recent(events: QuerySet[Event], count: int) -> list[Event]:
    """The newest `count`, with all that their lines show."""
    return list(events.select_related("actor", "group", "app__group", "node")[:count])


class EventsPage(LivePage):
    template = "events/page.html"
    regions = ("events/found",)

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        events = visible_events(user)
        groups, nodes = visible_groups(user), visible_nodes(user)
        chosen = {name: query.get(name, "") for name in ("group", "app", "node", "before")}
        if chosen["group"]:
            events = events.filter(group__name=chosen["group"])
        if chosen["app"]:
            events = events.filter(params__app=chosen["app"])
        if chosen["node"]:
            events = events.filter(Q(node__name=chosen["node"]) | Q(params__node=chosen["node"]))
        if chosen["before"].isdecimal():
            events = events.filter(id__lt=min(int(chosen["before"]), 1 << 62))
        found = recent(events, A_PAGE + 1)
        return {
            "events": found[:A_PAGE],
            "older": self._older(query, found) if len(found) > A_PAGE else "",
            "chosen": chosen,
            "groups": list(groups),
            "nodes": list(nodes),
        }

    def _older(self, query: QueryDict, found: list[Event]) -> str:
        older = query.copy()
        older.pop("language", None)
        older["before"] = str(found[A_PAGE - 1].pk)
        return older.urlencode()

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        """What happened earlier changes no more."""
        return set() if context["chosen"]["before"] else {"events"}
