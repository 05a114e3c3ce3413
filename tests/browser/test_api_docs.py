"""The API's documentation, under the same strict policy as every page and without another host."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from apps.groups.models import Group
from tests.browser.conftest import Panel, log_in
from tests.web.seed import Seed


def test_a_request_is_tried_with_the_readers_own_session(page: Page, panel: Panel, berth: Seed) -> None:
    log_in(page, panel, berth.admin)
    page.goto(f"{panel.url}/api/v1/docs")
    operation = page.locator("#operations-groups-groups_create")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea").fill('{"name": "tried", "quota": {"cpu": 1, "memory": "1GiB", "instances": 2}}')
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tr.response .response-col_status")).to_contain_text("201")
    assert Group.objects.get(name="tried").quota_memory == 1 << 30
