"""What the edges have measured of a canary, and of the release that it is compared with."""

from __future__ import annotations

import structlog

from scheduler.model import AppState
from scheduler.traffic.figures import Figures, total
from scheduler.traffic.source import TrafficUnavailable
from scheduler.world import World

log = structlog.get_logger(__name__)


def measured(app: AppState, world: World) -> tuple[Figures, Figures] | None:
    """What the edges measured of a canary and of the stable release since its share was applied; None: nobody knows."""
    canary, good = app.canary, app.last_good
    if canary is None or canary.since is None or good is None:
        return None
    seconds = (world.now() - canary.since).total_seconds()

    def of(template: str) -> Figures:
        numbers = {instance.release for instance in app.instances if instance.template == template}
        return total(world.traffic.window((app.group, app.name), number, seconds) for number in numbers)

    try:
        return of(app.release.template), of(good.template)
    except TrafficUnavailable as error:
        log.warning("traffic_unavailable", app=app.id, error=str(error))
        return None
