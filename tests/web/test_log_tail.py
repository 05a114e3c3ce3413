"""The log tail: from an engine to a page, no faster than the page can show it, and no longer than it is open."""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from apps.groups.models import Membership
from apps.panel import logs, tail
from apps.panel.sockets import REFUSED
from scheduler import queries
from scheduler.queries import LogLine
from tests.services import wait_until
from tests.web.panel import Socket, close_connections, opened, socket
from tests.web.seed import HOSTILE, Seed, seed

pytestmark = pytest.mark.django_db(transaction=True)

LOG = "/groups/shop/apps/web/instances/0-6/log"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Lines:
    """An engine's stream: lines as a test writes them, until someone closes it."""

    def __init__(self) -> None:
        self.given: queue.Queue[LogLine | None] = queue.Queue()
        self.endless: Iterator[LogLine] | None = None
        self.read = 0
        self.closed = threading.Event()

    def write(self, *texts: str) -> None:
        for text in texts:
            self.given.put(LogLine(NOON, "stdout", text))

    def end(self) -> None:
        self.given.put(None)

    def __iter__(self) -> Iterator[LogLine]:
        return self

    def __next__(self) -> LogLine:
        line = next(self.endless) if self.endless else self.given.get()
        if line is None or self.closed.is_set():
            raise StopIteration
        self.read += 1
        return line

    def close(self) -> None:
        self.closed.set()
        self.end()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    made = Lines()
    monkeypatch.setattr(queries, "follow_logs", lambda instance_id, tail: made)
    monkeypatch.setattr(logs, "GAP", 0.0)
    return made


@pytest.fixture
async def berth() -> Seed:
    made = await database_sync_to_async(seed)()
    yield made
    await close_connections()


async def texts(page: Socket, count: int) -> list[str]:
    """The texts of the next `count` lines, each batch said to be shown."""
    found: list[str] = []
    while len(found) < count:
        found += [line["text"] for line in json.loads(await page.text())["lines"]]
        await page.say("shown")
    return found


async def test_lines_arrive_as_they_are_written(lines: Lines, berth: Seed) -> None:
    lines.write("one", HOSTILE)
    async with opened(LOG, berth.viewer) as page:
        assert await texts(page, 2) == ["one", HOSTILE]
        lines.write("\x1b[32mthree\x1b[0m")  # in green, on a terminal
        message = json.loads(await page.text())
    assert message == {"lines": [{"at": NOON.isoformat(), "stream": "stdout", "text": "three"}]}


async def test_a_page_gets_no_more_before_it_shows_what_it_has(lines: Lines, berth: Seed) -> None:
    lines.write("one")
    async with opened(LOG, berth.viewer) as page:
        await page.text()
        lines.write("two")
        assert await page.receive_nothing(0.2)
        await page.say("shown")
        assert await texts(page, 1) == ["two"]


async def test_a_slow_page_slows_the_engine_down(lines: Lines, berth: Seed) -> None:
    lines.endless = (LogLine(NOON, "stdout", str(n)) for n in itertools.count())
    async with opened(LOG, berth.viewer) as page:
        first = json.loads(await page.text())["lines"]
        wait_until(lambda: lines.read >= len(first) + tail.MOST, "the buffer is full")
        assert await page.receive_nothing(0.2)
        assert lines.read <= len(first) + tail.MOST + 1
        await page.say("shown")
        second = json.loads(await page.text())["lines"]
    assert int(second[0]["text"]) == int(first[-1]["text"]) + 1, "nothing is skipped"


async def test_closing_the_page_ends_the_engines_stream(lines: Lines, berth: Seed) -> None:
    async with opened(LOG, berth.viewer):
        wait_until(lambda: lines.given.empty(), "the stream is being read")
    wait_until(lines.closed.is_set, "the stream was closed")
    wait_until(lambda: all(t.name != "log-tail" for t in threading.enumerate()), "its thread has ended")


async def test_closing_a_page_that_fell_behind_ends_the_engines_stream(lines: Lines, berth: Seed) -> None:
    lines.endless = (LogLine(NOON, "stdout", str(n)) for n in itertools.count())
    async with opened(LOG, berth.viewer) as page:
        await page.text()
        wait_until(lambda: lines.read > tail.MOST, "the buffer is full")
    wait_until(lambda: all(t.name != "log-tail" for t in threading.enumerate()), "its thread has ended")
    assert lines.closed.is_set()


async def test_the_end_is_said_with_its_reason_and_whether_more_may_come(
    lines: Lines, berth: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines.write("last")
    lines.end()
    async with opened(LOG, berth.viewer) as page:
        assert await texts(page, 1) == ["last"]
        assert json.loads(await page.text()) == {"ended": True, "gone": False, "why": ""}
        assert await page.closed() == 1000

    def refuse(instance_id: int, tail: int) -> None:
        raise queries.LogsUnavailable("its container is not there yet, or no more")

    monkeypatch.setattr(queries, "follow_logs", refuse)
    await database_sync_to_async(berth.web.instances.update)(gone_at=timezone.now())
    async with opened(f"{LOG}?language=zh-hans", berth.viewer) as page:
        assert json.loads(await page.text()) == {"ended": True, "gone": True, "why": "容器尚未创建或已不存在"}


@pytest.mark.parametrize("path", [LOG, LOG.replace("0-6", "0-99"), LOG.replace("web", "nothing")])
async def test_an_outsider_gets_no_log(lines: Lines, berth: Seed, path: str) -> None:
    assert not await (await socket(path, berth.outsider)).accepted()
    assert not await (await socket(path, None)).accepted()


@pytest.mark.parametrize("path", [LOG.replace("0-6", "0-99"), LOG.replace("web", "api")])
async def test_a_log_that_is_not_there_has_no_socket(lines: Lines, berth: Seed, path: str) -> None:
    assert not await (await socket(path, berth.viewer)).accepted()


async def test_whoever_leaves_the_group_reads_no_further(
    lines: Lines, berth: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "ASK_AGAIN", 0.0)
    lines.write("one")
    async with opened(LOG, berth.viewer) as page:
        await texts(page, 1)
        await database_sync_to_async(Membership.objects.filter(user=berth.viewer).delete)()
        lines.write("secret")
        assert await page.closed() == REFUSED
    wait_until(lines.closed.is_set, "the stream was closed")
