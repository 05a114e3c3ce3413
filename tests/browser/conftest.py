"""Chromium against the panel as it is deployed: uvicorn, websockets, and a real Redis between those who change and
those who look.

The server runs in a thread of the test's process, so a test can change the database and hint at it as a worker would.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

import cloud.asgi
from apps.accounts.models import User
from cloud.embedded import free_port
from scheduler import world
from scheduler.store.cluster import KeptCluster
from tests import services
from tests.services import wait_until
from tests.web.panel import hints_through, session_of
from tests.web.seed import Seed, seed

CHROMIUM = "/usr/bin/chromium"
ALONE = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Playwright's own fixture would last for the session, and its event loop would stop all asynchronous tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE.split())
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-US") as context:
        yield context


@dataclass
class Panel:
    """The panel's web process; it may be stopped and started again at the same address."""

    port: int = field(default_factory=free_port)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = uvicorn.Config(
            cloud.asgi.application, port=self.port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: services.listens(("127.0.0.1", self.port)), "the panel listens")

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(20)
            assert not self._thread.is_alive()
        self._server = None


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with services.redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def layer(redis: Path) -> Iterator[None]:
    with hints_through(redis):
        yield


@pytest.fixture
def berth(transactional_db: None, layer: None) -> Seed:
    return seed()


@pytest.fixture
def panel(berth: Seed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    monkeypatch.setattr(world, "etcd", lambda: None)
    monkeypatch.setattr(world, "cluster", functools.cache(KeptCluster))  # not the one of another test's database
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)  # its threads leave none behind
    monkeypatch.setattr(settings, "WHITENOISE_USE_FINDERS", True, raising=False)
    importlib.reload(cloud.asgi)  # its middleware reads the settings when it is made
    made = Panel()
    made.start()
    yield made
    made.stop()


@dataclass
class Watch:
    """All that a page must never do: complain, run into the content-security policy, or ask another host."""

    allowed: set[str] = field(default_factory=set)  # parts of messages that a test brings about on purpose
    complaints: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.allowed):
            self.complaints.append(message.text)

    def request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:")):
            self.complaints.append(f"asked {request.url}")


@pytest.fixture
def watch(context: BrowserContext, panel: Panel) -> Iterator[Watch]:
    """Watches every page of the test, and fails it for what they should not have done."""
    made = Watch()
    context.on("console", made.console)
    context.on("weberror", lambda error: made.complaints.append(str(error.error)))
    context.on("request", made.request)
    yield made
    assert made.complaints == []


@pytest.fixture
def page(context: BrowserContext, watch: Watch, panel: Panel) -> Page:
    return context.new_page()


def log_in(page: Page, panel: Panel, user: User) -> None:
    """Give the browser a session of the user's."""
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": panel.url}
    page.context.add_cookies([cookie])
