"""Live pages: who gets their sockets, and what arrives on them without asking."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
from channels.db import database_sync_to_async
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern

from apps.applications.models import App
from apps.groups.models import Membership
from apps.panel import consumers
from apps.panel.live import announce
from apps.panel.sockets import REFUSED
from tests.web.panel import WAIT, address, arguments, close_connections, is_live, of_a_group, opened, routes, socket
from tests.web.seed import SECRET, Seed, seed

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_ROUTES = [route for route in routes() if is_live(route)]
APP = "/groups/shop/apps/web/"


@pytest.fixture(autouse=True)
def hints_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing arrives because of the clock."""
    monkeypatch.setattr(consumers, "EVERY", 3600.0)
    monkeypatch.setattr(consumers, "GAP", 0.01)


@pytest.fixture
async def berth() -> Seed:
    made = await database_sync_to_async(seed)()
    yield made
    await close_connections()


def named(route: URLPattern) -> str:
    return str(route.name)


@pytest.mark.parametrize("route", LIVE_ROUTES, ids=named)
async def test_a_live_page_first_gets_all_of_its_regions(route: URLPattern, berth: Seed) -> None:
    path = address(route, await database_sync_to_async(arguments)(berth))
    async with opened(path, berth.admin) as page:
        snapshot = await page.text()
    for region in route.callback.view_class.regions:
        assert f'id="region-{region.replace("/", "-")}"' in snapshot
    assert snapshot.count('hx-swap-oob="morph"') == len(route.callback.view_class.regions)
    assert SECRET not in snapshot
    assert "csrfmiddlewaretoken" not in snapshot


@pytest.mark.parametrize("route", LIVE_ROUTES, ids=named)
async def test_what_arrives_is_what_the_page_itself_shows(route: URLPattern, berth: Seed) -> None:
    path = address(route, await database_sync_to_async(arguments)(berth))
    page = await database_sync_to_async(_get)(path, berth)
    async with opened(path, berth.admin) as live:
        snapshot = await live.text()
    regions = re.split(r'\n(?=<div id="region-)', snapshot.replace(' hx-swap-oob="morph"', ""))
    assert len(regions) == len(route.callback.view_class.regions)
    for region in regions:
        assert _without_times(region) in _without_times(page)


def _get(path: str, berth: Seed) -> str:
    client = Client()
    client.force_login(berth.admin)
    return client.get(path).text


def _without_times(html: str) -> str:
    return re.sub(r"<time.*?</time>", "", html)


@pytest.mark.parametrize("route", [route for route in LIVE_ROUTES if of_a_group(route)], ids=named)
async def test_an_outsider_gets_no_socket(route: URLPattern, berth: Seed) -> None:
    path = address(route, await database_sync_to_async(arguments)(berth))
    assert not await (await socket(path, berth.outsider)).accepted()
    assert not await (await socket(path, None)).accepted()


@pytest.mark.parametrize(
    "path", ["/nowhere", "/account/", "/groups/nowhere/", "/login", "/logout", "/groups/shop/quota"]
)
async def test_what_is_no_live_page_has_no_socket(path: str, berth: Seed) -> None:
    assert not await (await socket(path, berth.admin)).accepted()


@pytest.mark.parametrize("path", ["/nodes/", "/nodes/berth-1/"])
async def test_pages_of_admins_have_no_socket_for_others(path: str, berth: Seed) -> None:
    assert not await (await socket(path, berth.owner)).accepted()


async def test_another_site_gets_no_socket(berth: Seed) -> None:
    page = await socket(APP, berth.admin)
    page.scope["headers"][0] = (b"origin", b"http://evil.example")
    assert not await page.accepted()


async def test_a_refusal_is_a_404_where_the_server_can_give_one(berth: Seed) -> None:
    page = await socket(APP, berth.outsider)
    page.scope["extensions"] = {"websocket.http.response": {}}
    await page.send_input({"type": "websocket.connect"})
    assert await page.receive_output() == {"type": "websocket.http.response.start", "status": 404, "headers": []}


async def test_a_change_arrives_by_itself_and_alone(berth: Seed) -> None:
    async with opened(APP, berth.viewer) as page:
        await page.text()
        await change(berth.web, status="degraded")
        pushed = await page.text()
    assert "degraded" in pushed
    assert 'id="region-applications-head"' in pushed
    assert 'id="region-applications-instances"' not in pushed, "nothing in it has changed"


async def test_what_arrives_is_in_the_language_of_the_page(berth: Seed) -> None:
    async with opened(APP + "?language=zh-hans", berth.viewer) as page:
        assert "健康" in await page.text()
        await change(berth.web, status="degraded")
        assert "降级" in await page.text()


async def test_a_change_of_one_app_is_no_news_on_the_page_of_another(berth: Seed) -> None:
    async with opened(APP, berth.viewer) as page:
        await page.text()
        await change(berth.api, status="degraded")
        assert await page.receive_nothing(0.3)


async def test_whoever_leaves_the_group_sees_nothing_more(berth: Seed) -> None:
    async with opened(APP, berth.viewer) as page:
        await page.text()
        await database_sync_to_async(Membership.objects.filter(user=berth.viewer).delete)()
        await change(berth.web, status="degraded")
        assert await page.closed() == REFUSED


async def test_whoever_logs_out_sees_nothing_more(berth: Seed) -> None:
    async with opened(APP, berth.viewer) as page:
        await page.text()
        await database_sync_to_async(Session.objects.all().delete)()
        await change(berth.web, status="degraded")
        assert await page.closed() == REFUSED


async def test_the_page_of_an_app_that_is_gone_is_closed(berth: Seed) -> None:
    async with opened("/groups/shop/apps/worker/", berth.viewer) as page:
        await page.text()
        await database_sync_to_async(_remove)(berth.worker)
        assert await page.closed() == REFUSED


async def test_pages_look_by_themselves_when_no_hint_comes(berth: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "EVERY", 0.05)
    async with opened(APP, berth.viewer) as page:
        await page.text()
        await database_sync_to_async(App.objects.filter(pk=berth.web.pk).update)(status="degraded")
        while "degraded" not in await page.text():
            pass


async def test_a_page_that_fails_is_closed_so_that_it_connects_anew(
    berth: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(APP, berth.viewer) as page:
        await page.text()
        monkeypatch.setattr(consumers, "render_region", _broken)
        await change(berth.web, status="degraded")
        assert await page.closed() == 1011


async def test_leaving_during_a_look_ends_it(berth: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, goes_on = threading.Event(), threading.Event()

    def slow(*args: object, **kwargs: object) -> str:
        looking.set()
        goes_on.wait()
        return ""

    page = await socket(APP, berth.viewer)
    monkeypatch.setattr(consumers, "render_region", slow)
    assert await page.accepted()
    await asyncio.to_thread(looking.wait)
    await page.send_input({"type": "websocket.disconnect", "code": 1001})
    asyncio.get_running_loop().call_later(0.2, goes_on.set)
    await page.wait(WAIT)


def _broken(*args: object, **kwargs: object) -> str:
    raise RuntimeError("the database went away")


async def change(app: App, **columns: object) -> None:
    """Change an app as the loop does: write, then hint."""
    await database_sync_to_async(_change)(app, columns)


def _change(app: App, columns: dict[str, object]) -> None:
    App.objects.filter(pk=app.pk).update(**columns)
    announce(f"app.{app.pk}")


def _remove(app: App) -> None:
    App.objects.filter(pk=app.pk).update(release=None)
    App.objects.filter(pk=app.pk).delete()
    announce(f"app.{app.pk}")
