"""The figures that this installation has."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from scheduler.traffic.source import Source
from scheduler.traffic.store import RedisTraffic


@cache
def source() -> Source:
    """Its connections are kept for the life of the process."""
    return RedisTraffic(settings.BERTH.redis)
