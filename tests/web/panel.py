"""What the tests of the panel share: every address that it has, and sockets as a browser opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels import DEFAULT_CHANNEL_LAYER
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from channels_redis.core import RedisChannelLayer
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from apps.accounts.models import User
from apps.panel import live, urls
from apps.panel.page import LIVE, LivePage
from cloud.asgi import application
from tests.web.seed import Seed

ORIGIN = (b"origin", b"http://testserver")
WAIT = 10  # seconds for any message


def routes(patterns: list[Any] = urls.urlpatterns) -> Iterator[URLPattern]:
    """Every named route of the panel."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        else:
            yield pattern


def arguments(seed: Seed) -> dict[str, Any]:
    """Something that exists for every argument that a route takes."""
    return {
        "group": seed.shop.name,
        "app": seed.web.name,
        "certificate": seed.shop.certificates.get().name,
        "node": seed.nodes[0].name,
        "operation": seed.search.operations.get().pk,
        "token": seed.admin.api_tokens.get().pk,
        "user": seed.owner.pk,
        "priority": seed.priority.name,
        "number": 1,
    }


def address(route: URLPattern, known: dict[str, Any]) -> str:
    """The route's address with what it takes of `known`."""
    names = _arguments_of(route)
    return reverse(route.name, kwargs={name: known[name] for name in names})


def is_live(route: URLPattern) -> bool:
    view = getattr(route.callback, "view_class", None)
    return view is not None and issubclass(view, LivePage)


def shows(route: URLPattern) -> bool:
    """Whether the route is a page, and not a change alone."""
    view = getattr(route.callback, "view_class", None)
    return view is not None and "get" in view.http_method_names and hasattr(view, "get")


def of_a_group(route: URLPattern) -> bool:
    """Whether the route shows or changes what belongs to a group, or to another user."""
    return bool(_arguments_of(route) & {"group", "operation", "token"})


def _arguments_of(route: URLPattern) -> set[str]:
    return set(_named()[route.name])


def _named() -> dict[str, list[str]]:
    """The arguments of each route by its name, those of the includes above it among them."""
    found: dict[str, list[str]] = {}

    def walk(patterns: list[Any], above: list[str]) -> None:
        for pattern in patterns:
            names = [*above, *pattern.pattern.converters]
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, names)
            else:
                found[pattern.name] = names

    walk(urls.urlpatterns, [])
    return found


class Sent(HTMLParser):
    """The fields of a page's form (`class="stack"`) as a browser would send them, untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self._in_form = self._in_template = False
        self._open: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._in_form = "stack" in (given.get("class") or "") and given.get("method") == "post"
        if tag == "template":
            self._in_template = True
        if not self._in_form or self._in_template:
            return
        name = given.get("name")
        if tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self.sent.setdefault(name, []).append(given.get("value") or ("on" if "checked" in given else ""))
        if tag in ("textarea", "select") and name:
            self._open, self._text = name, ""
        if tag == "option" and self._open and "selected" in given:
            self._text = given["value"] or ""

    def handle_data(self, data: str) -> None:
        if self._open and self.lasttag == "textarea":
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._in_template = False
        if tag == "form":
            self._in_form = False
        if tag in ("textarea", "select") and self._open:
            self.sent.setdefault(self._open, []).append(self._text.removeprefix("\n"))
            self._open = None


def sent_by(page: str) -> dict[str, Any]:
    """What a browser would send of the page's form, by name, each a list."""
    reader = Sent()
    reader.feed(page)
    return reader.sent


def browser(user: User) -> Client:
    """One that the user is logged in with."""
    client = Client()
    client.force_login(user)
    return client


def session_of(user: User) -> str:
    return browser(user).cookies[settings.SESSION_COOKIE_NAME].value


class Socket(ApplicationCommunicator):
    """A websocket, as a browser would hold it. (Channels' own helper needs a server that Berth does not use.)"""

    def __init__(self, path: str, session: str | None, origin: tuple[bytes, bytes] = ORIGIN) -> None:
        place, _mark, query = path.partition("?")
        cookie = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())] if session else []
        scope = {
            "type": "websocket",
            "path": place,
            "query_string": query.encode(),
            "headers": [origin, *cookie],
            "subprotocols": [],
        }
        super().__init__(application, scope)

    async def accepted(self) -> bool:
        """Shake hands; whether the server did."""
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(WAIT))["type"] == "websocket.accept")

    async def text(self) -> str:
        """The next message."""
        message = await self.receive_output(WAIT)
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def closed(self) -> int:
        """Wait for the server to close, whatever it sends before; the code."""
        while (message := await self.receive_output(WAIT))["type"] != "websocket.close":
            pass
        return int(message["code"])

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.wait(WAIT)


async def socket(path: str, user: User | None) -> Socket:
    """The socket of a page, by someone's session, before the handshake."""
    return Socket(LIVE + path, await database_sync_to_async(session_of)(user) if user else None)


@asynccontextmanager
async def opened(path: str, user: User) -> AsyncIterator[Socket]:
    """An accepted socket that is left on the way out."""
    found = await socket(path, user)
    assert await found.accepted(), path
    try:
        yield found
    finally:
        await found.leave()


@contextmanager
def hints_through(redis: Path) -> Iterator[RedisChannelLayer]:
    """Send live hints through a Redis, as all of the process does, from now on and until the end."""
    before = channel_layers.backends.get(DEFAULT_CHANNEL_LAYER)
    layer = RedisChannelLayer(hosts=[f"unix://{redis}"])
    channel_layers.backends[DEFAULT_CHANNEL_LAYER] = layer
    live._start_over()
    yield layer
    del channel_layers.backends[DEFAULT_CHANNEL_LAYER]
    if before:
        channel_layers.backends[DEFAULT_CHANNEL_LAYER] = before
    live._start_over()


async def close_connections() -> None:
    """The database connection of the thread that async tests call the ORM in."""
    await database_sync_to_async(connections.close_all)()
