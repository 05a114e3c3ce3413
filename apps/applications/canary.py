"""How a release fares that is tried on a part of the traffic, for people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.applications.canary_spec import policy
from apps.applications.models import App


def measured(app: App) -> list[dict[str, Any]]:
    """What the edges have measured of the release that is tried and of the stable one, since its share was applied."""
    from scheduler import queries  # loads the engine's client, which most requests do without

    found = queries.canary(app.pk)
    names = (app.release.number if app.release else 0, app.last_good.number if app.last_good else 0)
    return [
        {
            "release": number,
            "requests": figures.requests,
            "percent": round(100 * figures.errors / figures.requests, 2) if figures.requests else None,
            "latency": None if (p95 := figures.quantile(0.95)) is None else round(p95 * 1000),
        }
        for number, figures in zip(names, found or (), strict=False)
    ]


def progress(app: App) -> dict[str, Any] | None:
    """The canary that is under way; None: there is none. Steps count from 1; `ends_at` is when its step may be over."""
    if app.release is None or app.canary_release != app.release.number:
        return None
    steps = policy(app.release.spec["update"].get("canary")).steps
    number = min(app.canary_step, len(steps) - 1)
    step = steps[number]
    ends = app.canary_since + timedelta(seconds=step.duration) if app.canary_since and step.duration else None
    return {
        "release": app.canary_release,
        "step": number + 1,
        "steps": [{"weight": each.weight, "duration": each.duration} for each in steps],
        "weight": app.canary_weight,
        "since": app.canary_since,
        "ends_at": ends,
        "promoted": app.canary_step >= len(steps),
        "next": {"number": number + 2, "weight": steps[number + 1].weight} if number + 1 < len(steps) else None,
    }
