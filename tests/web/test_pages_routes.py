"""An app's routes and rules in the panel: seen by all of its group, changed by some, checked as the API checks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from apps.applications import passwords
from apps.applications.models import App
from apps.certificates.models import Certificate
from apps.events.models import Event
from apps.operations.models import Operation
from tests.certificates import make
from tests.web.api import Api, problem
from tests.web.panel import browser, close_connections, opened, sent_by
from tests.web.seed import Seed, make_app, seed

pytestmark = pytest.mark.django_db(transaction=True)

WEB = ["shop", "web"]
LIST, RULES = reverse("app-routes", args=WEB), reverse("app-rules", args=WEB)
FIRST, NEW = reverse("route", args=[*WEB, 1]), reverse("new-route", args=WEB)
PASSWORD = "correct horse battery"
EMPTY: dict[str, Any] = {
    "host": "shop.example.test", "path": "/", "extensions": [], "rewrite": None, "redirect": None,
}  # fmt: skip


@pytest.fixture
def maya(berth: Seed) -> Client:
    return browser(berth.developer)


def spec(name: str = "web") -> dict[str, Any]:
    return App.objects.select_related("release").get(group__name="shop", name=name).release.spec


def said_at(page: str, name: str) -> str:
    return page.partition(f'id="id_{name}_error"')[2].partition("</div></div>")[0]


def save(client: Client, url: str, **typed: Any) -> Any:
    return client.post(url, sent_by(client.get(url).text) | typed)


def test_a_route_is_changed_by_one_operation_and_one_event(maya: Client, berth: Seed) -> None:
    operations, events = Operation.objects.count(), Event.objects.filter(kind="app.deployed").count()
    answer = save(maya, FIRST, path="/old/", extensions=".CSS\r\njs", rewrite="/assets")
    assert answer["Location"] == LIST
    assert spec()["routes"][0] == EMPTY | {"path": "/old", "extensions": ["css", "js"], "rewrite": "/assets"}
    assert spec()["routes"][1]["host"] == "www.example.test"
    assert Operation.objects.count() == operations + 1
    assert Event.objects.filter(kind="app.deployed").count() == events + 1
    page = maya.get(LIST).text
    assert "Only paths that end in .css, .js." in page
    assert "The app sees /assets in place of /old." in page
    assert sent_by(maya.get(FIRST).text)["extensions"] == ["css\njs"]


def test_a_route_redirects(maya: Client, berth: Seed) -> None:
    save(maya, FIRST, redirect_scheme="https", redirect_host="New.example.test", redirect_permanent="on")
    to = {"scheme": "https", "host": "new.example.test", "path": None, "permanent": True}
    assert spec()["routes"][0] == EMPTY | {"redirect": to}
    assert "Redirects to https://new.example.test/…, permanently." in maya.get(LIST).text
    page = maya.get(FIRST).text
    assert '<details class="card" open>' in page
    release = App.objects.get(pk=berth.web.pk).release_id
    assert maya.post(FIRST, sent_by(page)).status_code == 302
    assert App.objects.get(pk=berth.web.pk).release_id == release, "sent as it was shown it changes nothing"
    save(maya, FIRST, redirect_scheme="", redirect_host="")
    assert spec()["routes"][0] == EMPTY


def test_routes_are_added_and_removed(maya: Client, berth: Seed) -> None:
    assert save(maya, NEW, host="new.example.test", path="/a").status_code == 302
    assert [route["host"] for route in spec()["routes"]] == [
        "shop.example.test", "www.example.test", "new.example.test",
    ]  # fmt: skip
    base = App.objects.get(pk=berth.web.pk).release.number
    answer = maya.post(reverse("remove-route", args=[*WEB, 1]), {"base": base}, follow=True)
    assert "The route was removed." in answer.text
    assert [route["host"] for route in spec()["routes"]] == ["www.example.test", "new.example.test"]


WRONG: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"host": "bad host"}, {"host": "bad host"}, "host"),
    ({"host": "localhost"}, {"host": "localhost"}, "host"),
    ({"host": "api.example.test"}, {"host": "api.example.test"}, "host"),
    ({"host": "theirs.example.test", "path": "/x"}, {"host": "theirs.example.test", "path": "/x"}, "host"),
    ({"path": "x y"}, {"path": "x y"}, "path"),
    ({"extensions": "a/b"}, {"extensions": ["a/b"]}, "extensions"),
    ({"rewrite": "no"}, {"rewrite": "no"}, "rewrite"),
    ({"rewrite": "/a", "redirect_host": "b.test"}, {"rewrite": "/a", "redirect": {"host": "b.test"}}, "rewrite"),
    ({"redirect_scheme": "ftp"}, {"redirect": {"scheme": "ftp"}}, "redirect_scheme"),
    ({"redirect_host": "*.test"}, {"redirect": {"host": "*.test"}}, "redirect_host"),
    ({"redirect_path": "b"}, {"redirect": {"path": "b"}}, "redirect_path"),
    ({"redirect_path": "/b"}, {"redirect": {"path": "/b"}}, "redirect_host"),
]


@pytest.mark.parametrize(("typed", "asked", "field"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_with_a_route_is_said_at_its_field_in_the_words_of_the_api(
    maya: Client, berth: Seed, typed: dict[str, str], asked: dict[str, Any], field: str
) -> None:
    make_app(berth.data, "theirs", berth.admin, {"image": "theirs:1", "routes": [{"host": "theirs.example.test"}]})
    before = spec()
    answer = save(maya, FIRST, **typed)
    assert answer.status_code == 422
    if field != "redirect_scheme":  # a browser sends no other than those offered
        body = {"routes": [{"host": "shop.example.test", **asked}, *before["routes"][1:]]}
        errors = problem(Api(berth.developer).patch("/groups/shop/apps/web", body))["errors"]
        assert [each["message"] for each in errors if escape(each["message"]) not in answer.text] == []
        assert any(escape(each["message"]) in said_at(answer.text, field) for each in errors)
    assert said_at(answer.text, field)
    assert all(escape(text) in answer.text for text in typed.values() if text != "ftp")
    assert spec() == before


def test_a_route_that_is_listed_twice_is_refused(maya: Client, berth: Seed) -> None:
    answer = save(maya, NEW, host="shop.example.test")
    assert answer.status_code == 422
    assert "listed twice" in said_at(answer.text, "host")


def test_a_redirect_with_an_error_stands_open(maya: Client, berth: Seed) -> None:
    assert '<details class="card" open>' in save(maya, FIRST, redirect_host="*").text
    assert '<details class="card" open>' not in save(maya, FIRST, host="*").text


def test_other_changes_meanwhile_survive_and_those_of_the_same_route_are_not_overwritten(
    maya: Client, berth: Seed
) -> None:
    mine, removal = sent_by(maya.get(FIRST).text), {"base": str(berth.web.release.number)}
    save(maya, reverse("route", args=[*WEB, 2]), path="/theirs")
    save(maya, NEW, host="new.example.test")
    assert maya.post(FIRST, mine | {"path": "/mine"}).status_code == 302
    assert [route["path"] for route in spec()["routes"]] == ["/mine", "/theirs", "/"]
    answer = maya.post(FIRST, mine | {"path": "/again"})
    assert answer.status_code == 422
    assert "was changed or removed meanwhile" in answer.text
    for given in (removal, {}):
        answer = maya.post(reverse("remove-route", args=[*WEB, 1]), given, follow=True)
        assert "was changed or removed meanwhile" in answer.text
    assert [route["path"] for route in spec()["routes"]] == ["/mine", "/theirs", "/"]


@pytest.mark.parametrize("number", [0, 3, 10**30])
def test_there_is_no_route_beyond_the_last(maya: Client, berth: Seed, number: int) -> None:
    for name in ("route", "remove-route"):
        answer = maya.post(reverse(name, args=[*WEB, number]), {"base": "3"})
        assert answer.status_code == 404
    assert maya.get(reverse("route", args=[*WEB, number])).status_code == 404


def test_rules_are_saved_and_shown(maya: Client, berth: Seed) -> None:
    typed = {
        "rate": "20", "max_body": "10MiB", "allow": "192.0.2.0/24\r\n2001:db8::/32", "silence": "90s", "sticky": "on",
        "maintenance": "on", "maintenance_text": "Back <soon>", "error_text": "Sorry",
        "request_set": "X-Source: edge: 1", "request_remove": "X-Debug",
        "response_set": "Strict-Transport-Security: max-age=31536000\r\nX-Frame-Options: DENY",
        "response_remove": "Server", "user_first": ["alice"], "user_second": [PASSWORD],
    }  # fmt: skip
    operations = Operation.objects.count()
    assert save(maya, RULES, **typed)["Location"] == LIST
    assert Operation.objects.count() == operations + 1
    http = spec()["http"]
    hashed = http.pop("users")["alice"]
    assert passwords.matches(PASSWORD, hashed)
    assert http == {
        "rate": 20, "max_body": "10MiB", "allow": ["192.0.2.0/24", "2001:db8::/32"], "timeout": "90s", "sticky": True,
        "maintenance": True, "maintenance_text": "Back <soon>", "error_text": "Sorry",
        "request_headers": {"set": {"X-Source": "edge: 1"}, "remove": ["X-Debug"]},
        "response_headers": {
            "set": {"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "DENY"}, "remove": ["Server"],
        },
    }  # fmt: skip
    viewer = browser(berth.viewer)
    for page in (viewer.get(LIST).text, viewer.get(RULES).text, maya.get(RULES).text):
        for text in ("20", "10MiB", "192.0.2.0/24", "90s", "Back &lt;soon&gt;", "Sorry", "X-Source: edge: 1", "X-Debug",
                     "max-age=31536000", "DENY", "Server", "alice"):  # fmt: skip
            assert text in page
        assert PASSWORD not in page
        assert hashed not in page
    release = App.objects.get(pk=berth.web.pk).release_id
    assert save(maya, RULES).status_code == 302
    assert App.objects.get(pk=berth.web.pk).release_id == release, "sent as they were shown they change nothing"


def test_headers_and_users_that_were_taken_away_are_gone_and_the_others_stay(maya: Client, berth: Seed) -> None:
    save(maya, RULES, response_set="X-A: 1\r\nX-B: 2", user_first=["alice", "bob"], user_second=[PASSWORD, PASSWORD])
    alice = spec()["http"]["users"]["alice"]
    sent = sent_by(maya.get(RULES).text)
    assert (sent["user_first"], sent["user_second"], sent["user_kept"]) == (
        ["alice", "bob"],
        ["", ""],
        ["alice", "bob"],
    )
    save(
        maya, RULES, response_set="X-B: 3\r\nX-C: 4", user_first=["alice", "carol"], user_second=["", PASSWORD],
        user_kept=["alice"],
    )  # fmt: skip
    assert spec()["http"]["response_headers"]["set"] == {"X-B": "3", "X-C": "4"}
    assert spec()["http"]["users"].keys() == {"alice", "carol"}
    assert spec()["http"]["users"]["alice"] == alice
    save(maya, RULES, user_first=["alice"], user_second=["another horse"], user_kept=["alice"])
    assert passwords.matches("another horse", spec()["http"]["users"]["alice"])
    save(maya, RULES, response_set="", user_first=[], user_second=[], user_kept=[])
    assert spec()["http"]["response_headers"]["set"] == {}
    assert spec()["http"]["users"] == {}


WRONG_RULES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"rate": "0"}, {"rate": 0}, "rate"),
    ({"max_body": "much"}, {"max_body": "much"}, "max_body"),
    ({"allow": "192.0.2.1/24"}, {"allow": ["192.0.2.1/24"]}, "allow"),
    ({"silence": "0s"}, {"timeout": "0s"}, "silence"),
    ({"maintenance_text": "x" * 501}, {"maintenance_text": "x" * 501}, "maintenance_text"),
    ({"request_set": "Host: x"}, {"request_headers": {"set": {"Host": "x"}}}, "request_set"),
    ({"response_set": "X-A: é"}, {"response_headers": {"set": {"X-A": "é"}}}, "response_set"),
    ({"response_set": "a.b[c] d: 1"}, {"response_headers": {"set": {"a.b[c] d": "1"}}}, "response_set"),
    ({"request_remove": "a b"}, {"request_headers": {"remove": ["a b"]}}, "request_remove"),
]


@pytest.mark.parametrize(("typed", "asked", "field"), WRONG_RULES, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_wrong_with_a_rule_is_said_at_its_field_in_the_words_of_the_api(
    maya: Client, berth: Seed, typed: dict[str, Any], asked: dict[str, Any], field: str
) -> None:
    answer = save(maya, RULES, **typed)
    assert answer.status_code == 422
    [error] = problem(Api(berth.developer).patch("/groups/shop/apps/web", {"http": asked}))["errors"]
    assert escape(error["message"]) in said_at(answer.text, field)
    assert all(escape(text) in answer.text for text in typed.values())


def test_a_header_that_is_set_twice_is_refused(maya: Client, berth: Seed) -> None:
    assert "X-A stands there twice." in said_at(save(maya, RULES, request_set="X-A: 1\nX-A: 2").text, "request_set")


def test_a_refused_password_is_said_at_its_row_and_never_comes_back(maya: Client, berth: Seed) -> None:
    typed = {"user_first": ["alice", "b b", "carol"], "user_second": ["short", PASSWORD, ""]}
    page = save(maya, RULES, **typed).text
    assert page.count('class="row-error"') == 5  # one each, and two that were typed
    for said in ("at least 8 characters", "name has letters", "Type the password again."):
        assert said in page
    assert "short" not in page
    assert PASSWORD not in page
    assert not re.search(r'name="user_second"[^>]* value=', page)
    assert spec().get("http", {}).get("users", {}) == {}


def test_a_viewer_sees_routes_and_rules_and_has_no_form(berth: Seed) -> None:
    noor = browser(berth.viewer)
    before = spec()
    for url in (LIST, FIRST, RULES):
        page = noor.get(url).text
        assert "shop.example.test" in page or url == RULES
        assert sent_by(page) == {}
    for url in (FIRST, RULES, NEW, reverse("remove-route", args=[*WEB, 1])):
        assert noor.post(url, {"base": "3", "host": "evil.example.test"}).status_code == 403
    assert noor.get(NEW).status_code == 403
    assert "Remove" not in noor.get(LIST).text
    assert spec() == before


def test_an_app_that_speaks_tcp_has_a_port_and_no_routes(maya: Client, berth: Seed) -> None:
    where = ["shop", "worker"]
    rules = reverse("app-rules", args=where)
    page = maya.get(reverse("app-routes", args=where)).text
    assert "Only apps that speak HTTP have routes." in page
    assert reverse("new-route", args=where) not in page
    assert set(sent_by(maya.get(rules).text)) == {"csrfmiddlewaretoken", "base"}
    assert save(maya, rules, expose="on").status_code == 302
    assert spec("worker")["expose"] is True
    assert str(App.objects.get(pk=berth.worker.pk).tcp_port) in maya.get(reverse("app-routes", args=where)).text


def test_a_route_says_which_certificate_serves_its_host(maya: Client, berth: Seed) -> None:
    made = make("shop.example.test")
    Certificate.objects.all().delete()
    body = {"name": "of-the-shop", "certificate": made.certificate, "key": made.key, "https_only": True}
    assert Api(berth.developer).post("/groups/shop/certificates", body).status_code == 201
    page = maya.get(LIST).text
    assert page.count(reverse("certificate", args=["shop", "of-the-shop"])) == 1
    assert "HTTPS only" in page


async def test_a_change_of_the_routes_appears_without_a_reload() -> None:
    berth = await database_sync_to_async(seed)()
    maya = await database_sync_to_async(browser)(berth.developer)
    async with opened(LIST, berth.viewer) as page:
        assert "Passes requests on to the app." in await page.text()
        await database_sync_to_async(save)(maya, FIRST, redirect_path="/new", path="/old")
        while "Redirects to /new." not in await page.text():
            pass
    await close_connections()
