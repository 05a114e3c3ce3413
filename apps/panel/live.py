"""Hints to open pages that something they show has changed.

A hint carries no data, only its topic: `app.<id>`, `group.<id>`, `operation.<hex>`, `user.<id>` (what they may see),
`nodes` or `events`. A page that
gets one renders itself again from the database (`apps.panel.consumers`), so a lost hint costs a delay, never a wrong
page: pages also look by themselves every few seconds.

Anyone may call `announce` as often as it pleases, in a web process or a Celery worker. It never blocks and never
fails: one thread a process sends what was announced, equal topics within `GATHER` seconds once.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Collection

import structlog
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import transaction

GATHER = 0.02  # seconds
GIVE_UP = 2.0  # seconds that one batch may take to be sent
MESSAGE = "live.changed"

log = structlog.get_logger(__name__)


def announce(*topics: str) -> None:
    """Hint, after the current transaction commits, that what `topics` are about has changed."""
    transaction.on_commit(lambda: _announce(topics), robust=True)


def _announce(topics: tuple[str, ...]) -> None:
    # The in-memory layer belongs to the event loop of the test that uses it, so its hints are sent from right here.
    if isinstance(get_channel_layer(), InMemoryChannelLayer):
        async_to_sync(_send)(topics)
    else:
        _sender.put(topics)


async def _send(topics: Collection[str]) -> None:
    layer = get_channel_layer()
    for topic in topics:
        await layer.group_send(topic, {"type": MESSAGE, "topic": topic})


class _Sender:
    """Collects topics, and sends them from a daemon thread with an event loop of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._topics: set[str] = set()
        self._thread: threading.Thread | None = None
        self._reaches = True

    def put(self, topics: Collection[str]) -> None:
        with self._lock:
            self._topics.update(topics)
            self._filled.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-hints", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        while True:
            self._filled.wait()
            time.sleep(GATHER)
            with self._lock:
                topics, self._topics = self._topics, set()
                self._filled.clear()
            try:
                loop.run_until_complete(asyncio.wait_for(_send(topics), GIVE_UP))
            except Exception as error:  # a lost hint is harmless, a dead thread is not
                self._lost(topics, error)
            else:
                self._reaches = True

    def _lost(self, topics: Collection[str], error: Exception) -> None:
        if self._reaches:  # said once an outage, not fifty times a second
            log.warning("live_hints_lost", topics=len(topics), error=repr(error))
        self._reaches = False


def _start_over() -> None:
    """A forked child has the parent's lock and set but none of its threads."""
    global _sender
    _sender = _Sender()


_sender = _Sender()
os.register_at_fork(after_in_child=_start_over)
