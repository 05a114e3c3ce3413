"""`GET /operations/{id}?wait=60`: the answer comes when the operation has ended.

An ASGI middleware before Django, so that who waits holds neither a thread nor a connection of the database:

1. Django answers: whoever may not see the operation, or need not wait, is done
2. subscribe to the hints about the operation
3. look at it, since it may have ended before the subscription stood; then after every hint, and every few seconds in
   case one is lost, until it has ended, the time is over or the client is gone
4. Django answers again
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from channels.layers import get_channel_layer
from django.db import connection
from django.http import QueryDict

from apps.errors import Invalid
from apps.operations.api import WAIT
from apps.operations.models import Operation
from scheduler.model import OperationStatus

LOOK_EVERY = 5.0  # seconds, at most: hints may get lost
_PATH = re.compile(r"/api/v1/operations/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ENDED = [status.value for status in OperationStatus if status.ended]

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)


class AnswerWhenEnded:
    """Passes everything on to `app`, and waits where a request asks for it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        operation, seconds = _wanted(scope)
        if operation is None or not seconds:
            await self._app(scope, receive, send)
            return
        until = time.monotonic() + seconds
        answer = await self._ask(scope)
        if _is_under_way(answer):
            if not await _unless_gone(_ended(operation, until), receive):
                return
            answer = await self._ask(scope)
        for message in answer:
            await send(message)

    async def _ask(self, scope: Message) -> list[Message]:
        """What the application sends in answer to the request, which has no body."""
        answer: list[Message] = []
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Future()  # it listens for the client to go away, which is noticed here instead
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, send)
        return answer


def _wanted(scope: Message) -> tuple[uuid.UUID | None, float]:
    """The operation and how many seconds to wait for it; None and 0 for every other request."""
    found = _PATH.fullmatch(scope["path"]) if scope["method"] == "GET" else None
    if not found:
        return None, 0
    try:
        return uuid.UUID(found[1]), WAIT.of(QueryDict(scope["query_string"]))
    except Invalid:
        return None, 0  # the view says what is wrong


def _is_under_way(answer: list[Message]) -> bool:
    if answer[0]["status"] != 200:
        return False
    body = b"".join(message.get("body", b"") for message in answer[1:])
    return json.loads(body)["ended_at"] is None


async def _unless_gone(work: Awaitable[None], receive: Receive) -> bool:
    """Do the work, and give it up when the client goes away: then False."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, going = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    finally:
        working.cancel()
        going.cancel()
        await asyncio.gather(working, going, return_exceptions=True)


async def _ended(id: uuid.UUID, until: float) -> None:
    """Return when the operation has ended, or at `until`."""
    hints = _Hints(f"operation.{id.hex}")
    await hints.subscribe()
    try:
        while not await _has_ended(id) and (left := until - time.monotonic()) > 0:
            await hints.wait(min(left, LOOK_EVERY))
    finally:
        await hints.unsubscribe()


async def _has_ended(id: uuid.UUID) -> bool:
    async with ThreadSensitiveContext():  # a thread of its own, for as long as the look takes
        return await sync_to_async(_look)(id)


def _look(id: uuid.UUID) -> bool:
    try:
        return Operation.objects.filter(pk=id, status__in=_ENDED).exists()
    finally:
        connection.close()


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
