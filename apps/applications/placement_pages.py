"""The page that says why an app is where it is, or nowhere: what each node says to one more instance."""

from __future__ import annotations

import math
from typing import Any

from django.http import QueryDict

from apps.accounts.models import User
from apps.applications.pages import AppLivePage
from apps.applications.placement_api import explained, overall
from apps.panel.page import Context

A_PAGE = 25  # nodes; the page stays quick however many there are


class PlacementTab(AppLivePage):
    template = "applications/placement.html"
    regions = ("applications/head", "applications/placed")
    tab = "placement"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = super().context(user, query, **kwargs)
        found = explained(context["app"])
        pages = max(1, math.ceil(len(found.explanation.names) / A_PAGE))
        page = min(_number(query.get("page", "")), pages)
        name = query.get("node", "").strip()
        return {
            **context,
            "placed": overall(found),
            "nodes": _named(found, name) if name else found.nodes((page - 1) * A_PAGE, A_PAGE),
            "node": name,
            "page": page,
            "pages": 1 if name else pages,
        }


def _named(found: Any, name: str) -> list[dict[str, Any]]:
    try:
        return [found.node(name)]
    except KeyError:
        return []


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
