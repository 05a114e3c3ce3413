"""The socket of a live page: a snapshot of its regions on connect, then what of them has changed.

Hints (`apps.panel.live`) say when to look; without any, the page is looked at every `EVERY` seconds all the same,
which keeps times such as "3 min ago" true and finds what a lost hint was about. Every look starts from the session
and asks for permission, so a page is closed once its reader has logged out or left the group.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.urls import Resolver404, resolve
from django.utils import translation

from apps.accounts import users
from apps.errors import Forbidden, NotFound
from apps.panel.page import Context, LivePage
from apps.panel.regions import render_region
from apps.panel.sockets import COME_BACK, REFUSED, Left, Socket, language, query, viewer

EVERY = 15.0  # seconds between looks that nothing hinted at
GAP = 0.2  # seconds between looks at most
LIFETIME = 12 * 3600.0  # seconds; then the page connects anew, well before the layer forgets its groups

log = structlog.get_logger(__name__)


class PageConsumer(Socket):
    """One open page. Its own address stands below `/live`, so page and socket share one route."""

    async def connect(self) -> None:
        self._changed = asyncio.Event()
        self._shown: dict[str, str] = {}
        self._topics: set[str] = set()
        try:
            topics = await database_sync_to_async(self._find)()
        except (NotFound, Forbidden, Resolver404):
            await self.refuse()
            return
        await self._follow(topics)
        await self.accept()
        self.work = asyncio.create_task(self._push_until_closed())

    async def disconnect(self, code: int) -> None:
        for topic in self._topics:
            await self.channel_layer.group_discard(topic, self.channel_name)

    async def live_changed(self, message: dict[str, Any]) -> None:
        self._changed.set()

    async def _push_until_closed(self) -> None:
        try:
            async with asyncio.timeout(LIFETIME):
                while True:
                    self._changed.clear()  # before the look: what changes during it is looked at again
                    await self._push()
                    await asyncio.sleep(GAP)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), EVERY / self._page.pace)
        except (NotFound, Forbidden):
            await self.close(REFUSED)
        except TimeoutError:
            await self.close(COME_BACK)
        except Left:
            pass
        except Exception:
            log.exception("live_page_failed", path=self.scope["path"])
            await self.close(1011)

    async def _push(self) -> None:
        regions, topics = await database_sync_to_async(self._render)()
        await self._follow(topics)
        changed = [html for name, html in regions.items() if self._shown.get(name) != html]
        self._shown = regions
        if changed:
            await self.deliver("\n".join(changed))

    async def _follow(self, topics: set[str]) -> None:
        for topic in topics - self._topics:
            await self.channel_layer.group_add(topic, self.channel_name)
        for topic in self._topics - topics:
            await self.channel_layer.group_discard(topic, self.channel_name)
        self._topics = topics

    def _find(self) -> set[str]:
        match = resolve("/" + self.scope["url_route"]["kwargs"]["path"])
        view = getattr(match.func, "view_class", None)
        if view is None or not issubclass(view, LivePage):
            raise NotFound
        self._page, self._kwargs = view(), match.kwargs
        return self._topics_of(self._look())

    def _look(self) -> Context:
        self._viewer = viewer(self.scope)
        return self._page.context(self._viewer, query(self.scope), **self._kwargs)

    def _topics_of(self, context: Context) -> set[str]:
        """What the page shows, and whether its reader may still see it."""
        return self._page.topics(context) | {users.topic(self._viewer.pk)}

    def _render(self) -> tuple[dict[str, str], set[str]]:
        with translation.override(language(self.scope)):
            context = self._look()
            regions = {name: render_region(name, context, pushed=True) for name in self._page.regions}
        return regions, self._topics_of(context)
