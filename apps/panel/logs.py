"""The socket of a log tail: an instance's newest lines, then each as it comes.

Lines go in batches, and the next batch waits until the page says that it shows this one. What is sent is JSON:
`{"lines": [{"at", "stream", "text"}]}`, and `{"ended": true, "gone": …}` at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from channels.db import database_sync_to_async
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext_noop

from apps.accounts import users
from apps.applications.models import Instance
from apps.applications.permissions import get_app
from apps.errors import Forbidden, NotFound
from apps.panel.sockets import REFUSED, Left, Socket, language, viewer
from apps.panel.tail import Tail
from apps.panel.terminal import plain

NEWEST = 200  # lines to begin with
LONGEST = 8192  # characters of a line that are shown
GAP = 0.05  # seconds between batches at least
ASK_AGAIN = 1.0  # seconds for which a permission is taken to last

if TYPE_CHECKING:
    from scheduler.queries import LogLine, LogLines

gettext_noop("its container is not there yet, or no more")  # what the scheduler says most often

log = structlog.get_logger(__name__)


class LogConsumer(Socket):
    async def connect(self) -> None:
        self._shown = asyncio.Event()
        try:
            instance = await database_sync_to_async(self._find)()
        except (NotFound, Forbidden):
            await self.refuse()
            return
        await self._follow_reader()
        await self.accept()
        self.work = asyncio.create_task(self._send_until_closed(Tail(partial(_follow, instance.pk))))

    async def disconnect(self, code: int) -> None:
        with contextlib.suppress(Exception):
            await self.channel_layer.group_discard(self._topic, self.channel_name)

    async def live_changed(self, message: dict[str, Any]) -> None:
        """What the reader may see has changed: look before the next line comes, which may be long in coming."""
        try:
            await database_sync_to_async(self._find)()
        except (NotFound, Forbidden):
            if self.work is not None:
                self.work.cancel()
            await self.close(REFUSED)

    async def _follow_reader(self) -> None:
        try:
            await self.channel_layer.group_add(self._topic, self.channel_name)
        except Exception as error:  # no hints: the next lines ask for permission all the same
            log.warning("log_hints_lost", error=repr(error))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._shown.set()

    async def _send_until_closed(self, tail: Tail) -> None:
        asked = time.monotonic()
        try:
            while lines := await tail.take():
                if time.monotonic() - asked > ASK_AGAIN:
                    await database_sync_to_async(self._find)()
                    asked = time.monotonic()
                self._shown.clear()
                await self.deliver(json.dumps({"lines": [_line(line) for line in lines]}))
                await asyncio.sleep(GAP)
                await self._shown.wait()
            gone = (await database_sync_to_async(self._find)()).gone_at is not None
            await self.deliver(json.dumps({"ended": True, "gone": gone, "why": self._why(tail)}))
            await self.close(1000)
        except (NotFound, Forbidden):
            await self.close(REFUSED)
        except Left:
            pass
        except Exception:
            log.exception("log_tail_failed", path=self.scope["path"])
            await self.close(1011)
        finally:
            await asyncio.to_thread(tail.close)

    def _why(self, tail: Tail) -> str:
        with translation.override(language(self.scope)):
            return translation.gettext(str(tail.problem)) if tail.problem else ""

    def _find(self) -> Instance:
        """The instance, for whoever's session this is now. Raises `NotFound`, `Forbidden`."""
        asked = self.scope["url_route"]["kwargs"]
        reader = viewer(self.scope)
        self._topic = users.topic(reader.pk)
        app = get_app(reader, asked["group"], asked["app"])
        slot, generation = int(asked["slot"]), int(asked["generation"])
        instance = app.instances.filter(slot=slot, generation=generation).first()
        if instance is None:
            raise NotFound
        return instance


def _follow(instance_id: int) -> LogLines:
    from scheduler import queries  # loads the engine's client, which most sockets do without

    try:
        return queries.follow_logs(instance_id, tail=NEWEST)
    finally:
        connection.close()  # the thread's own, which nobody else would close


def _line(line: LogLine) -> dict[str, str]:
    return {"at": line.at.isoformat(), "stream": line.stream, "text": plain(line.text)[:LONGEST]}
