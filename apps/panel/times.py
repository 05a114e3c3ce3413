"""Spans of time as people read them."""

from __future__ import annotations

from django.utils.translation import gettext, ngettext


def span(seconds: float) -> str:
    """The one largest unit of a duration, rounded down: `12 s`, `5 min`, `3 h`, `2 days`."""
    count = max(0, int(seconds))
    if count < 60:
        return gettext("%(count)s s") % {"count": count}
    if count < 3600:
        return gettext("%(count)s min") % {"count": count // 60}
    if count < 86400:
        return gettext("%(count)s h") % {"count": count // 3600}
    days = count // 86400
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}
