"""`GET /operations/{id}?wait=60`: the answer comes when the operation has ended.

1. the ordinary view answers: whoever may not see the operation, or need not wait, is done
2. subscribe to the hints about the operation
3. look again, since it may have ended before the subscription stood; then after every hint, and every few seconds in
   case one is lost, until it has ended or the time is over

Asynchronous, and holding no connection of the database while it waits.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connection
from django.http import HttpRequest, HttpResponse

from apps.operations.api import OperationDetail, wait_of
from apps.operations.models import Operation
from scheduler.model import OperationStatus

LOOK_EVERY = 5.0  # seconds, at most: hints may get lost
_ENDED = [status.value for status in OperationStatus if status.ended]

log = structlog.get_logger(__name__)
_answer = sync_to_async(OperationDetail.as_view())


async def operation_detail(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """One operation, at once or when it has ended."""
    response = await _answer(request, id=id)
    if request.method != "GET" or response.status_code != 200 or response.data["ended_at"]:
        return response
    if seconds := wait_of(request.GET):
        await _ended(id, time.monotonic() + seconds)
        response = await _answer(request, id=id)
    return response


# what the description of the API and Django's CSRF check look at: it is that view, answering later
operation_detail.cls = OperationDetail  # type: ignore[attr-defined]
operation_detail.initkwargs = {}  # type: ignore[attr-defined]
operation_detail.csrf_exempt = True  # type: ignore[attr-defined]


async def _ended(id: uuid.UUID, until: float) -> None:
    """Return when the operation has ended, or at `until`."""
    hints = _Hints(f"operation.{id.hex}")
    await hints.subscribe()
    try:
        while not await _has_ended(id) and (left := until - time.monotonic()) > 0:
            await hints.wait(min(left, LOOK_EVERY))
    finally:
        await hints.unsubscribe()


@sync_to_async
def _has_ended(id: uuid.UUID) -> bool:
    ended = Operation.objects.filter(pk=id, status__in=_ENDED).exists()
    if not connection.in_atomic_block:
        connection.close()  # whoever waits leaves the database's connections to the others
    return ended


class _Hints:
    """One subscription to a topic of `apps.panel.live`; while the channel layer is away, hints simply do not come."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._layer: Any = get_channel_layer()
        self._channel: str | None = None

    async def subscribe(self) -> None:
        try:
            channel = await self._layer.new_channel()
            await self._layer.group_add(self._topic, channel)
        except Exception as error:
            self._lost(error)
        else:
            self._channel = channel

    async def wait(self, seconds: float) -> None:
        """Until the next hint, at most so long."""
        if self._channel is None:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._layer.receive(self._channel), seconds)
        except TimeoutError:
            return
        except Exception as error:
            self._lost(error)

    async def unsubscribe(self) -> None:
        if self._channel is None:
            return
        try:
            await self._layer.group_discard(self._topic, self._channel)
        except Exception as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        self._channel = None
        log.warning("operation_hints_lost", topic=self._topic, error=repr(error))
