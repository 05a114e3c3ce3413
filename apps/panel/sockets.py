"""What every websocket of the panel does first: find out who asks, in which language, and refuse like a 404."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, QueryDict
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.errors import NotFound

REFUSED = 4404  # close code: this socket is no longer (or not) for you
COME_BACK = 1012  # close code: connect anew

log = structlog.get_logger(__name__)

Scope = Mapping[str, Any]


def viewer(scope: Scope) -> User:
    """Whose session this is right now: it is read anew every time, so logging out counts at once. Raises `NotFound`."""
    request = HttpRequest()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(scope["cookies"].get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    if not user.is_authenticated:
        raise NotFound
    return user


def query(scope: Scope) -> QueryDict:
    return QueryDict(scope["query_string"])


def language(scope: Scope) -> str:
    asked = query(scope).get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


class Left(Exception):
    """The page was closed or left while something was on its way to it."""


class Socket(AsyncWebsocketConsumer):
    """A websocket whose refusal does not tell what is hidden from what is not there."""

    work: asyncio.Task[None] | None = None  # what goes on beside the messages for as long as the socket is open
    accepted = False

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except RedisError as error:
            log.warning("live_hints_away", path=scope["path"], error=repr(error))
            await self._send_away()
        finally:  # also when the channel layer went away, of which `disconnect` hears nothing
            while self.work and not self.work.done():
                self.work.cancel()  # more than once, for a call in a thread swallows it
                await asyncio.wait([self.work], timeout=0.1)
            if self.work and not self.work.cancelled():
                self.work.exception()  # that a page has left is no news

    async def accept(self, *arguments: Any, **options: Any) -> None:
        await super().accept(*arguments, **options)
        self.accepted = True

    async def deliver(self, text: str) -> None:
        """Send a message. Raises `Left`."""
        try:
            await self.send(text)
        except OSError as error:  # with which ASGI servers say that nobody is there any more
            raise Left from error

    async def _send_away(self) -> None:
        """Have the page connect anew after a while: what the hints come by is away."""
        with contextlib.suppress(OSError, RuntimeError):  # nobody is there any more, or the socket is closed already
            await (self.close(COME_BACK) if self.accepted else self.refuse(503))

    async def refuse(self, status: int = 404) -> None:
        """Answer the handshake with this status, or as far as the server can do that."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.close(REFUSED)
            return
        await self.base_send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await self.base_send({"type": "websocket.http.response.body", "body": b""})


class Nowhere(Socket):
    """Whatever has no route."""

    async def connect(self) -> None:
        await self.refuse()
