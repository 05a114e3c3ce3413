"""Live hints through a real Redis, which may be away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels.db import database_sync_to_async
from channels_redis.core import RedisChannelLayer

from apps.panel import live
from apps.panel.sockets import COME_BACK
from tests import services
from tests.services import wait_until
from tests.web.panel import WAIT, close_connections, hints_through, socket
from tests.web.seed import Seed, seed

pytestmark = pytest.mark.django_db(transaction=True)

ENOUGH = 0.5  # seconds after which no hint is still under way


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[RedisChannelLayer]:
    """The layer that everything in the process uses, on a Redis that may not be there yet."""
    with hints_through(tmp_path / "redis.sock") as made:
        yield made


@pytest.fixture
async def berth() -> Seed:
    made = await database_sync_to_async(seed)()
    yield made
    await close_connections()


async def listening(layer: RedisChannelLayer, topic: str) -> str:
    channel = await layer.new_channel()
    await layer.group_add(topic, channel)
    return str(channel)


async def received(layer: RedisChannelLayer, channel: str) -> list[str]:
    """The topics of all hints that arrive until none does any more."""
    topics = []
    while True:
        try:
            message = await asyncio.wait_for(layer.receive(channel), ENOUGH)
        except TimeoutError:
            return topics
        topics.append(message["topic"])


def announced(*topics: str) -> None:
    live._announce(topics)


async def test_many_equal_hints_arrive_as_few(layer: RedisChannelLayer, tmp_path: Path) -> None:
    with services.redis(tmp_path):
        channel = await listening(layer, "app.1")
        for _again in range(500):
            announced("app.1", "app.2")
        assert set(await received(layer, channel)) == {"app.1"}
        for _again in range(500):
            announced("app.1")
        assert len(await received(layer, channel)) < 50


async def test_a_forked_worker_sends_its_own_hints(layer: RedisChannelLayer, tmp_path: Path) -> None:
    with services.redis(tmp_path):
        channel = await listening(layer, "app.1")
        announced("app.1")  # the parent has its thread, which a child does not inherit
        await received(layer, channel)
        child = os.fork()
        if not child:
            announced("app.1")
            time.sleep(ENOUGH)
            os._exit(0)
        assert await received(layer, channel) == ["app.1"]
        os.waitpid(child, 0)


async def test_redis_away_costs_the_caller_nothing_and_the_hints_come_back_with_it(
    layer: RedisChannelLayer, tmp_path: Path
) -> None:
    for _again in range(100):
        announced("app.1")
    wait_until(lambda: not live._sender._reaches, "it noticed that Redis is away")
    with services.redis(tmp_path):
        channel = await listening(layer, "app.1")
        announced("app.1")
        assert "app.1" in await received(layer, channel)


async def test_without_redis_the_handshake_says_that_it_is_for_later(layer: RedisChannelLayer, berth: Seed) -> None:
    page = await socket("/groups/shop/apps/web/", berth.admin)
    page.scope["extensions"] = {"websocket.http.response": {}}
    await page.send_input({"type": "websocket.connect"})
    assert await page.receive_output(WAIT) == {"type": "websocket.http.response.start", "status": 503, "headers": []}
    assert (await page.receive_output(WAIT))["type"] == "websocket.http.response.body"
    await page.wait(WAIT)


async def test_when_redis_goes_away_an_open_page_is_asked_to_connect_anew(
    layer: RedisChannelLayer, tmp_path: Path, berth: Seed
) -> None:
    page = await socket("/groups/shop/apps/web/", berth.admin)
    with services.redis(tmp_path):
        assert await page.accepted()
        await page.text()
    assert await page.closed() == COME_BACK
    await page.wait(WAIT)
