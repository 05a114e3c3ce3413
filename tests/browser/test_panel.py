"""People at work in the panel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from apps.applications import secrets
from apps.applications.models import App
from scheduler import queries
from scheduler.engine.base import ResolvedImage
from tests.browser.conftest import Panel, Watch, log_in
from tests.web.panel import address, arguments, routes, shows
from tests.web.seed import PASSWORD, Seed

PAGES = [route for route in routes() if shows(route)]
PHONE = {"width": 360, "height": 740}


def test_someone_logs_in_and_deploys_an_app(
    page: Page, panel: Panel, berth: Seed, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.allowed.add("422")  # Chromium notes the answer to the wrong form
    image = ResolvedImage("registry/blog@sha256:" + "b" * 64, None, 8080)
    monkeypatch.setattr(queries, "resolve_image", lambda reference: image)
    page.goto(panel.url)
    page.get_by_label("User name").or_(page.get_by_label("Username")).fill("maya")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("link", name="Groups", exact=True).click()
    page.get_by_role("link", name="shop").click()
    page.get_by_role("link", name="New app").click()
    page.get_by_label("Name", exact=False).first.fill("blog")
    page.get_by_label("Image").fill("registry/blog:2")
    page.get_by_role("textbox", name="Instances").fill("0")
    page.get_by_label("Host").fill("blog.example.test")
    page.locator("#env").get_by_label("Name").fill("TOKEN")
    page.locator("#env").get_by_label("Value").fill("abc")
    page.get_by_role("button", name="Add a variable").click()
    page.locator("#env").get_by_label("Name").nth(1).fill("EMPTY")
    page.get_by_role("button", name="Add a variable").click()
    page.locator("#env").get_by_label("Remove this variable").nth(2).click()
    page.get_by_role("button", name="Deploy").click()

    expect(page.locator("#id_replicas_error")).to_contain_text("from 1 to 1000")
    expect(page.get_by_label("Image")).to_have_value("registry/blog:2")
    page.get_by_role("textbox", name="Instances").fill("2")
    page.get_by_role("button", name="Deploy").click()

    expect(page.get_by_role("heading", name="blog")).to_be_visible()
    expect(page.get_by_text("Waiting for a worker to begin.")).to_be_visible()
    app = App.objects.get(name="blog")
    assert app.release.spec["replicas"] == 2
    assert secrets.decrypt(app.release.env) == {"TOKEN": "abc", "EMPTY": ""}


def test_a_dangerous_button_asks_first(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.developer)
    page.goto(f"{panel.url}/groups/shop/apps/web/")
    page.get_by_role("button", name="Stop").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Stop web? Its routes serve nothing until it is started again.")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert App.objects.get(pk=berth.web.pk).running
    page.get_by_role("button", name="Stop").click()
    question.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    assert not App.objects.get(pk=berth.web.pk).running


def test_a_release_is_rolled_back(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.developer)
    page.goto(f"{panel.url}/groups/shop/apps/web/releases")
    page.locator(".release", has_text="Release 1").get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.get_by_role("link", name="All releases").click()
    expect(page.locator(".release").first).to_contain_text("as release 1")


def test_the_language_is_switched_and_stays(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.viewer)
    page.goto(panel.url)
    page.get_by_label("Language").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", name="概览")).to_be_visible()
    page.get_by_role("link", name="组", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_text("3 名成员")).to_be_visible()


def test_the_colours_follow_the_system_until_someone_chooses(page: Page, panel: Panel, berth: Seed) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(panel.url)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_label("Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_a_menu_closes_with_escape_and_gives_the_focus_back(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.viewer)
    page.goto(panel.url)
    account = page.get_by_label("Your account")
    account.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Account and API tokens")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Account and API tokens")).to_be_hidden()
    expect(account).to_be_focused()


def test_the_first_tab_skips_to_the_content(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.viewer)
    page.goto(panel.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_a_new_token_is_shown_to_be_copied(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.developer)
    page.goto(f"{panel.url}/account/")
    page.get_by_label("Name", exact=False).fill("ci")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_label("The new token")).to_have_value(re.compile("^berth_"))


def test_the_longest_names_fit_a_phone(page: Page, panel: Panel, berth: Seed) -> None:
    for row, longest in (
        (berth.shop, "g" * 40),
        (berth.web, "a" * 40),
        (berth.search, "s" * 40),
        (berth.nodes[0], "n" * 40),
    ):
        row.name = longest
        row.save(update_fields=["name"])
    berth.developer.username = "u" * 64
    berth.developer.save(update_fields=["username"])
    log_in(page, panel, berth.admin)
    page.set_viewport_size(PHONE)
    for route in PAGES:
        page.goto(panel.url + address(route, arguments(berth)))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], route.name


def test_no_page_complains_or_is_wider_than_a_phone(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.admin)
    page.set_viewport_size(PHONE)
    for route in PAGES:
        page.goto(panel.url + address(route, {**arguments(berth), "app": "search"}))
        expect(page.locator("main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], route.name
