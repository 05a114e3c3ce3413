"""An app's traffic on its page."""

from __future__ import annotations

import time
from typing import Any

from apps.applications.models import App
from apps.applications.plots import STEP, STEPS, plots, rows
from scheduler.traffic import here
from scheduler.traffic.source import TrafficUnavailable

WINDOW = 60  # seconds that the table sums up


def traffic(app: App, now: float | None = None) -> dict[str, Any]:
    """What the region shows; nothing where the figures cannot be read or there are none."""
    now = time.time() if now is None else now
    try:
        points = here.source().series((app.group.name, app.name), STEP * (STEPS + 1))
    except TrafficUnavailable:
        return {"known": False}
    last = points[-1] if points and points[-1].begin >= now - 2 * STEP else None
    sessions = {release: of.sessions for release, of in last.releases.items()} if last else {}
    # whole steps: the one under way would make everything look less
    end = int(now) // STEP * STEP
    lately = [point for point in points if end - WINDOW <= point.begin < end]
    return {
        "known": True,
        "any": bool(points),
        "plots": plots(points, now),
        "rows": rows(lately, WINDOW, sessions),
        "sessions": sum(sessions.values()),
    }
