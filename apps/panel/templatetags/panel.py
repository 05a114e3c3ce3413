"""What the panel's templates need besides Django: icons, amounts, moments, badges, bars and live regions."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.forms import CheckboxInput
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from apps.applications.models import Route
from apps.events.messages import sentence
from apps.events.models import Event
from apps.operations.models import Operation
from apps.panel import words
from apps.panel.regions import render_region
from apps.panel.terminal import plain
from apps.panel.times import span
from apps.placement import words as placement
from apps.quantities import about_bytes, name_figure, show_cpu
from apps.reasons import said

register = template.Library()

EVENT_TONES = {
    "failed": "bad",
    "unhealthy": "bad",
    "unreachable": "bad",
    "drifted": "warn",
    "placement_pending": "warn",
    "rolled_back": "warn",
    "cordoned": "warn",
    "draining": "warn",
    "relocating": "warn",
    "succeeded": "good",
    "healthy": "good",
    "reachable": "good",
}

register.filter("cores", show_cpu)
register.filter("size", about_bytes)
register.filter("said", said)
register.filter("plain", plain)


@functools.cache
def _shape(name: str) -> SafeString:
    svg = (settings.BASE_DIR / "static/vendor/icons" / f"{name}.svg").read_text()
    return mark_safe("".join(re.findall(r"<path d=[^>]*>", svg)))  # noqa: S308 (vendored files)


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """A vendored icon, inline, for decoration: what it means is said in words beside it."""
    return format_html(
        '<svg class="icon {}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>',
        css,
        _shape(name),
    )


@register.simple_tag(takes_context=True)
def region(context: Context, name: str) -> SafeString:
    """A live region, the first time: the same template is rendered again whenever what it shows changes."""
    return render_region(name, context.flatten())


@register.simple_tag
def badge(kind: str, value: str) -> SafeString:
    """A status in its colour. `kind` is app, instance, node or operation."""
    label = {
        "app": words.APP_STATUSES,
        "instance": words.STATES,
        "node": words.NODE_STATES,
        "operation": words.OPERATION_STATUSES,
    }[kind].get(value, value)
    return format_html('<span class="status-pill tone-{}">{}</span>', words.TONES.get(value, "quiet"), label)


@register.filter
def tone(value: str) -> str:
    return words.TONES.get(value, "quiet")


@register.filter
def app_status(value: str) -> str:
    return str(words.APP_STATUSES.get(value, value))


@register.filter
def process(value: str) -> str:
    return str(words.PROCESSES.get(value, value))


@register.filter
def operation_kind(value: str) -> str:
    return str(words.OPERATION_KINDS.get(value, value))


@register.simple_tag
def ago(at: datetime | None) -> SafeString:
    """How long ago, with the exact moment as its title."""
    if at is None:
        return format_html('<span class="text-secondary">{}</span>', gettext("never"))
    seconds = (timezone.now() - at).total_seconds()
    said = gettext("just now") if seconds < 5 else gettext("%(span)s ago") % {"span": span(seconds)}
    return _moment(at, said)


@register.simple_tag
def since(at: datetime | None, until: datetime | None = None) -> SafeString:
    """How long something has lasted, or did last."""
    if at is None:
        return format_html("{}", "–")
    return _moment(at, span(((until or timezone.now()) - at).total_seconds()))


@register.simple_tag
def after(operation: Operation, at: datetime | None) -> SafeString:
    """When something happened, counted from an operation's beginning; nothing for what happened before it."""
    if at is None or at < operation.created_at:
        return format_html('<span class="text-secondary">{}</span>', "–")
    return _moment(at, f"{(at - operation.created_at).total_seconds():.1f} s")


def _moment(at: datetime, said: str) -> SafeString:
    exact = date_format(timezone.localtime(at), "Y-m-d H:i:s") + " " + settings.TIME_ZONE
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(timespec="seconds"), exact, said)


@register.inclusion_tag("panel/bar.html")
def bar(label: str, used: int, limit: int, unit: str = "") -> Mapping[str, Any]:
    """A figure against its limit. `unit` is cores, size or nothing for a plain count."""
    show = {"cores": show_cpu, "size": about_bytes}.get(unit, str)
    share = round(100 * used / limit) if limit else (100 if used else 0)
    said, of = str(show(used)), str(show(limit))
    if unit == "size" and said.rpartition(" ")[2] == of.rpartition(" ")[2]:
        said = said.rpartition(" ")[0]  # "13.6 / 16 GiB"
    return {
        "label": label,
        "used": said,
        "limit": of,
        "share": min(share, 100),
        "tone": "bad" if share >= 95 else "warn" if share >= 80 else "good",
    }


@register.filter
def event_text(event: Event) -> str:
    """What happened, and why."""
    spoken = {
        "operation": words.OPERATION_NOUNS.get(event.params.get("operation", ""), ""),
        "role": words.ROLES.get(event.params.get("role", ""), ""),
    }
    happened = sentence(event.kind, {**event.params, **spoken})
    why = said(event.reason)
    return gettext("%(happened)s: %(why)s") % {"happened": happened, "why": why} if why else happened


@register.filter
def event_tone(event: Event) -> str:
    verb = event.kind.rpartition(".")[2]
    return EVENT_TONES.get(verb, "quiet")


@register.inclusion_tag("panel/sections.html", takes_context=True)
def sections(context: Context) -> Mapping[str, Any]:
    """The panel's sections, with the one that the page is in."""
    request, user = context["request"], context["user"]
    entries = [
        ("overview", gettext("Overview"), "layout-dashboard"),
        ("groups", gettext("Groups"), "apps"),
        ("events", gettext("Events"), "history"),
    ]
    if user.is_admin:
        entries[2:2] = [("nodes", gettext("Nodes"), "server"), ("placement", gettext("Placement"), "adjustments")]
        entries += [("users", gettext("Users"), "users")]
    found = []
    for name, label, image in entries:
        url = reverse(name)
        here = request.path == url if name == "overview" else request.path.startswith(url)
        found.append({"url": url, "label": label, "icon": image, "here": here})
    return {"sections": found}


@register.inclusion_tag("panel/field.html")
def field(bound: BoundField, css: str = "") -> Mapping[str, Any]:
    """One field of a form: its label, its input, what is wrong with it, and a hint."""
    return {"field": bound, "css": css, "check": isinstance(bound.field.widget, CheckboxInput)}


@register.filter
def step_name(value: str) -> str:
    return str(words.STEPS.get(value, value))


@register.filter
def step_status(value: str) -> str:
    return str(words.STEP_STATUSES[value][0])


@register.filter
def step_tone(value: str) -> str:
    return words.STEP_STATUSES[value][1]


@register.filter
def profile_name(value: str) -> str:
    return str(placement.PRESETS[value][0]) if value in placement.PRESETS else gettext("Own weights")


@register.filter
def lacks(verdict: Mapping[str, Any]) -> str:
    """What a node lacks, in a word: the resource, or the sort of constraint."""
    if verdict["filter"] == "resources":
        return name_figure(verdict["subject"])
    return str(placement.FILTERS.get(verdict["filter"], verdict["filter"]))


@register.filter
def score_name(value: str) -> str:
    return str(placement.SCORES[value][0]) if value in placement.SCORES else value


@register.filter
def trial_figure(value: str) -> str:
    return str(placement.FIGURES[value])


@register.filter
def points(thousandths: int) -> str:
    """What a score is or rises by, in points."""
    return f"{thousandths / 1000:,.1f}"


@register.simple_tag
def route_url(route: Route) -> str:
    """Where an edge serves a route."""
    return f"http://{route_text(route)}"


@register.filter
def route_text(route: Route) -> str:
    """The route as one types it: with the edge's port, unless it is the usual one."""
    port = settings.BERTH.http_port
    return f"{route.host}{'' if port == 80 else f':{port}'}{route.path}"


@register.filter
def breakable(text: str) -> SafeString:
    """Text that may be broken after a slash, such as a long image name."""
    return format_html_join(mark_safe("/<wbr>"), "{}", ((part,) for part in str(text).split("/")))
