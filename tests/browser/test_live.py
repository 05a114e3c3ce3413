"""Pages that change by themselves, and say so when they cannot."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from apps.applications.models import App
from apps.groups.models import Membership
from apps.panel.live import announce
from scheduler import queries
from scheduler.queries import LogLine
from scheduler.traffic import here
from scheduler.traffic.figures import Figures, Outcome
from scheduler.traffic.source import FakeSource, Point
from tests.browser.conftest import Panel, Watch, log_in
from tests.web.seed import HOSTILE, Seed
from tests.web.test_log_tail import Lines

APP = "/groups/shop/apps/web/"


def open_live(page: Page, panel: Panel, berth: Seed, path: str = APP) -> None:
    """Open a page and wait until its socket has sent the snapshot; note something that a reload would forget."""
    log_in(page, panel, berth.viewer if path != "/" else berth.admin)
    page.goto(panel.url + path)
    expect(page.locator("html")).to_have_attribute("data-live", "on")
    page.evaluate("window.sameDocument = true")


def change(app: App, **columns: object) -> None:
    App.objects.filter(pk=app.pk).update(**columns)
    announce(f"app.{app.pk}", f"group.{app.group_id}")


def test_a_change_appears_without_a_reload(page: Page, panel: Panel, berth: Seed) -> None:
    open_live(page, panel, berth)
    status = page.locator("h1 .status-pill")
    expect(status).to_have_text("healthy")
    change(berth.web, status="degraded")
    expect(status).to_have_text("degraded")
    assert page.evaluate("window.sameDocument")


def test_traffic_is_drawn_as_it_comes_and_nothing_has_to_hint_at_it(
    page: Page, panel: Panel, berth: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = FakeSource()
    monkeypatch.setattr(here, "source", lambda: traffic)
    open_live(page, panel, berth)
    region = page.locator("#region-applications-traffic")
    expect(region).to_contain_text("No request on record for the last half an hour.")
    begin = int(time.time()) // 10 * 10
    seen = Figures({Outcome.SERVED: 420}, latencies={4: 420})
    traffic.points = [Point(begin - 10 * number, 10, {7: seen}) for number in range(12)]
    expect(region.locator("polyline").first).to_be_visible(timeout=20_000)
    expect(region.locator("tbody")).to_contain_text("Release 7")
    before = region.locator("polyline").first.get_attribute("points")
    traffic.points = [*traffic.points, Point(begin + 10, 10, {7: Figures({Outcome.SERVED: 990})})]
    expect(region.locator("polyline").first).not_to_have_attribute("points", str(before), timeout=30_000)
    assert page.evaluate("window.sameDocument")


def test_the_overview_follows_every_group(page: Page, panel: Panel, berth: Seed) -> None:
    open_live(page, panel, berth, "/")
    change(berth.web, status="failing", status_reason={"code": "missing", "params": {}})
    expect(page.get_by_role("link", name="shop/web its container was removed")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_what_is_typed_open_or_focused_survives_a_change(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.developer)
    page.goto(f"{panel.url}/groups/shop/apps/search/")
    expect(page.locator("html")).to_have_attribute("data-live", "on")
    tail = page.locator("details", has_text="Last lines of its log").first
    tail.locator("summary").click()
    wanted = page.get_by_label("Instances wanted")
    wanted.fill("7")
    change(berth.search, status="degraded")
    expect(page.locator("h1 .status-pill")).to_have_text("degraded")
    berth.search.instances.filter(generation=4).update(state="healthy")
    change(berth.search)
    expect(page.locator("td .status-pill")).to_have_text("healthy")
    expect(wanted).to_have_value("7")
    expect(wanted).to_be_focused()
    expect(tail).to_have_attribute("open", "")


def test_a_lost_connection_is_said_and_made_up_for(page: Page, panel: Panel, berth: Seed, watch: Watch) -> None:
    watch.allowed |= {"WebSocket connection", "[object Event]"}  # the browser's words and htmx's
    open_live(page, panel, berth)
    lost = page.get_by_text("Connection lost")
    expect(lost).to_be_hidden()
    panel.stop()
    expect(lost).to_be_visible()
    App.objects.filter(pk=berth.web.pk).update(status="degraded")  # and nobody hears of it
    panel.start()
    expect(lost).to_be_hidden(timeout=15_000)
    expect(page.locator("h1 .status-pill")).to_have_text("degraded")
    assert page.evaluate("window.sameDocument")


def test_a_page_that_is_no_longer_ones_own_goes_away(page: Page, panel: Panel, berth: Seed, watch: Watch) -> None:
    watch.allowed.add("404")
    open_live(page, panel, berth)
    Membership.objects.filter(user=berth.viewer).delete()
    change(berth.web, status="degraded")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    made = Lines()
    monkeypatch.setattr(queries, "follow_logs", lambda instance_id, tail: made)
    return made


def test_a_log_is_followed_as_plain_text(page: Page, panel: Panel, berth: Seed, lines: Lines) -> None:
    lines.write("first", HOSTILE)
    log_in(page, panel, berth.viewer)
    page.goto(f"{panel.url}{APP}log")
    log = page.get_by_role("log")
    expect(log.locator("div")).to_have_count(2)
    expect(log).to_contain_text(HOSTILE)
    lines.write("third")
    expect(log.locator("div")).to_have_count(3)
    expect(page.get_by_role("status").filter(has_text="following")).to_be_visible()


def test_a_flood_of_lines_stays_bounded_and_at_its_end(page: Page, panel: Panel, berth: Seed, lines: Lines) -> None:
    flood = (LogLine(datetime(2030, 1, 1, tzinfo=UTC), "stderr", f"line {n}") for n in range(6000))
    lines.endless = itertools.chain(flood, iter(lines.given.get, None))
    log_in(page, panel, berth.viewer)
    page.goto(f"{panel.url}{APP}log")
    log = page.get_by_role("log")
    expect(log.locator("div").last).to_contain_text("line 5999", timeout=30_000)
    assert log.locator("div").count() == 2000
    assert log.evaluate("view => view.scrollHeight - view.scrollTop - view.clientHeight") < 2
