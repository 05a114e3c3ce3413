"""What holds for every page: who sees it, what it never shows, what it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import timezone

from scheduler.lifecycle import State
from tests.web.panel import address, arguments, browser, is_live, of_a_group, routes, shows
from tests.web.seed import HOSTILE, SECRET, Seed, make_app, make_instance

pytestmark = pytest.mark.django_db

ROUTES = list(routes())
OPEN = {"login", "logout", "set_language"}  # for everyone
NOWHERE = {"group": "nowhere", "app": "nothing", "operation": "00000000-0000-0000-0000-000000000000", "token": 987654}


def named(route: URLPattern) -> str:
    return str(route.name)


PAGES = [route for route in ROUTES if route.name not in OPEN and shows(route)]
ACTIONS = [route for route in ROUTES if route.name not in OPEN and not shows(route)]


@pytest.mark.parametrize("route", PAGES, ids=named)
def test_an_admin_sees_every_page(route: URLPattern, berth: Seed) -> None:
    answer = browser(berth.admin).get(address(route, arguments(berth)))
    assert answer.status_code == 200
    assert "<main" in answer.text


@pytest.mark.parametrize("route", [route for route in ROUTES if route.name not in OPEN], ids=named)
def test_a_stranger_is_sent_to_the_login(route: URLPattern, berth: Seed) -> None:
    url = address(route, arguments(berth))
    for answer in (Client().get(url), Client().post(url)):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("route", [route for route in ROUTES if of_a_group(route)], ids=named)
def test_to_an_outsider_what_is_there_is_as_absent_as_what_is_not(route: URLPattern, berth: Seed) -> None:
    outsider = browser(berth.outsider)
    there, absent = address(route, arguments(berth)), address(route, {**arguments(berth), **NOWHERE})
    for ask in (outsider.get, outsider.post):
        answer = ask(there)
        assert answer.status_code in (404, 405)
        assert answer.status_code == ask(absent).status_code
        assert berth.shop.name not in answer.text.replace(there, "")
    assert 404 in (outsider.get(there).status_code, outsider.post(there).status_code)


@pytest.mark.parametrize(
    "name", ["new-group", "enrol", "users", "nodes", "node", "node-settings", "placement", "priority"]
)
def test_pages_of_admins_are_forbidden_to_others(name: str, berth: Seed) -> None:
    route = next(route for route in ROUTES if route.name == name)
    assert browser(berth.owner).get(address(route, arguments(berth))).status_code == 403
    assert browser(berth.owner).post(address(route, arguments(berth))).status_code in (403, 405)


@pytest.mark.parametrize("route", [r for r in ACTIONS if of_a_group(r) and r.name != "revoke-token"], ids=named)
def test_a_viewer_changes_nothing(route: URLPattern, berth: Seed) -> None:
    assert browser(berth.viewer).post(address(route, arguments(berth))).status_code == 403


@pytest.mark.parametrize("route", ACTIONS, ids=named)
def test_a_change_needs_the_token_of_its_form(route: URLPattern, berth: Seed) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(berth.admin)
    assert strict.post(address(route, arguments(berth))).status_code == 403


@pytest.mark.parametrize("route", PAGES, ids=named)
@pytest.mark.parametrize("app", ["web", "search"])
def test_no_page_shows_a_secret_or_runs_what_a_user_wrote(route: URLPattern, app: str, berth: Seed) -> None:
    text = browser(berth.admin).get(address(route, {**arguments(berth), "app": app})).text
    assert SECRET not in text
    assert HOSTILE not in text
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", text), "inline script or style"
    assert not re.search(r'(?:src|href)="(?:https?:)?//(?!(?:shop|www|search|api|img)\.example\.test)', text)


@pytest.mark.parametrize("route", PAGES, ids=named)
def test_every_page_is_titled_and_labels_its_controls(route: URLPattern, berth: Seed) -> None:
    text = browser(berth.admin).get(address(route, arguments(berth))).text
    assert re.search(r"<title>\s*\S.* · Berth</title>", text)
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
    for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", text):
        inside = 'type="hidden"' in control or "aria-label" in control
        named_by = re.search(r' id="([^"]+)"', control)
        wrapped = re.search(r"<label[^>]*>(?:(?!</label>).)*" + re.escape(control), text, re.DOTALL)
        assert inside or wrapped or (named_by and named_by[1] in labelled), control


@pytest.mark.parametrize("route", [route for route in PAGES if is_live(route)], ids=named)
def test_the_cost_of_a_page_does_not_grow_with_what_it_shows(route: URLPattern, berth: Seed) -> None:
    known, reader = arguments(berth), browser(berth.admin)
    url = address(route, known)
    reader.get(url)
    with CaptureQueriesContext(
        connection,
    ) as before:
        reader.get(url)
    _more_of_everything(berth)
    with CaptureQueriesContext(connection) as after:
        reader.get(url)
    assert len(after) <= len(before), [query["sql"][:150] for query in after]


def _more_of_everything(berth: Seed) -> None:
    now = timezone.now()
    specs: list[dict[str, Any]] = [{"image": f"more:{n}", "routes": [{"host": f"m{n}.example.test"}]} for n in range(3)]
    for index, spec in enumerate(specs):
        app = make_app(berth.shop, f"more-{index}", berth.developer, spec, status="degraded")
        make_instance(app, berth.nodes[0], 0, 1, State.HEALTHY, now)
    for generation in (20, 21, 22):
        make_instance(berth.web, berth.nodes[1], generation, generation, State.HEALTHY, now)


def test_the_language_is_the_readers(berth: Seed) -> None:
    reader = browser(berth.admin)
    assert "Needs attention" in reader.get("/").text
    answer = reader.post(reverse("set_language"), {"language": "zh-hans", "next": "/"})
    assert answer.status_code == 302
    page = reader.get("/")
    assert 'lang="zh-hans"' in page.text
    assert "需要关注" in page.text
    assert "Needs attention" not in page.text
