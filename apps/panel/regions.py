"""Live regions: the parts of a page that are rendered again, from the same templates, while it is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


def render_region(name: str, context: Mapping[str, Any], *, pushed: bool = False) -> SafeString:
    """The region `name` (`<folder>/<file>` below templates) in its element. A pushed one replaces that on the page."""
    return format_html(
        '<div id="{}" class="region"{}>{}</div>',
        "region-" + name.replace("/", "-"),
        format_html(' hx-swap-oob="{}"', "morph") if pushed else "",
        mark_safe(render_to_string(f"{name}.html", dict(context)).strip()),  # noqa: S308 - a template's own text
    )
