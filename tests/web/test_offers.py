"""Pages offer their reader what this reader may do, and nothing else: every form, button and link on every page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from tests.web.panel import address, arguments, browser, routes, shows
from tests.web.seed import Seed

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "developer", "owner", "admin")
PAGES = [route for route in routes() if shows(route) and route.name not in ("login", "set_language")]


class Offers(HTMLParser):
    """What a page lets its reader send (addresses that are posted to) and where it leads."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here = here
        self.posts: set[str] = set()
        self.links: set[str] = set()
        self.open_inputs = 0  # that can be changed
        self._form = ""
        self._disabled = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        off = self._disabled or "disabled" in given
        if tag == "fieldset" and (self._disabled or "disabled" in given):
            self._disabled += 1
        elif tag == "form" and given.get("method") == "post":
            self._form = urljoin(self.here, given.get("action") or "")
        elif tag == "button" and not off and given.get("type") != "button":
            if to := given.get("formaction"):
                self.posts.add(urljoin(self.here, to))
            elif self._form:
                self.posts.add(self._form)
        elif tag in ("input", "select", "textarea") and not off and given.get("type") != "hidden":
            self.open_inputs += 1
        elif tag == "a" and (to := urlsplit(urljoin(self.here, given.get("href") or ""))).netloc == "":
            self.links.add(to._replace(fragment="").geturl())

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = ""
        elif tag == "fieldset" and self._disabled:
            self._disabled -= 1


def offered(client: Client, url: str) -> Offers | None:
    """None: this reader does not see the page."""
    answer = client.get(url)
    if answer.status_code in (403, 404):
        return None
    assert answer.status_code == 200, url
    found = Offers(url)
    found.feed(answer.text)
    return found


def pages(berth: Seed) -> dict[str, str]:
    known = arguments(berth)
    return {str(route.name): address(route, known) for route in PAGES}


@pytest.mark.parametrize("role", ROLES)
def test_whatever_a_page_offers_to_send_is_allowed(berth: Seed, role: str) -> None:
    reader = getattr(berth, role)
    client, tried = browser(reader), set()
    for name, url in pages(berth).items():
        found = offered(client, url)
        for to in sorted(found.posts - tried if found else ()):
            tried.add(to)
            with transaction.atomic():
                status = client.post(to, {}).status_code
                transaction.set_rollback(True)
            assert status not in (403, 404, 405), f"{name} offers {to} to the {role}"
            client.force_login(reader)  # it may have been the button that logs out
    assert len(tried) > {"viewer": 2, "developer": 10, "owner": 12, "admin": 20}[role]


@pytest.mark.parametrize("role", ROLES)
def test_whatever_a_page_links_to_is_there(berth: Seed, role: str) -> None:
    client, tried = browser(getattr(berth, role)), set()
    for name, url in pages(berth).items():
        found = offered(client, url)
        for to in sorted(found.links - tried if found else ()):
            tried.add(to)
            status = client.get(to).status_code
            assert status in (200, 302), f"{name} leads the {role} to {to}: {status}"
    assert len(tried) > 10


def test_what_a_reader_may_not_change_is_shown_and_cannot_be_edited(berth: Seed) -> None:
    known: dict[str, Any] = {"group": "shop", "app": "web"}
    for url in (reverse("app-settings", kwargs=known), reverse("members", args=["shop"])):
        found = offered(browser(berth.viewer), url)
        assert found is not None
        assert found.open_inputs == 0
        changing = offered(browser(berth.owner), url)
        assert changing is not None
        assert changing.open_inputs > 0
    page = browser(berth.viewer).get(reverse("app-settings", kwargs=known)).text
    assert f'value="{berth.web.release.spec["image"]}"' in page
    assert "developers and owners of the group change them" in page
    assert reverse("app-settings", kwargs=known) in browser(berth.viewer).get(reverse("app", kwargs=known)).text
