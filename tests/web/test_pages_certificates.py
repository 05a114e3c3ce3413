"""Certificates in the panel."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.certificates.models import Certificate
from tests.certificates import make
from tests.web.panel import browser
from tests.web.seed import Seed

pytestmark = pytest.mark.django_db


NEW = reverse("new-certificate", args=["shop"])
MADE = make("shop.example.test")
UPLOAD = {"how": "upload", "name": "mine", "certificate": MADE.certificate, "key": MADE.key}


def test_a_developer_uploads_a_certificate_and_sees_what_it_says(berth: Seed) -> None:
    client = browser(berth.developer)
    answer = client.post(NEW, UPLOAD, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("certificate", args=["shop", "mine"])
    assert "shop.example.test" in answer.text
    assert "PRIVATE" not in answer.text
    assert "mine" in client.get(reverse("certificates", args=["shop"])).text


def test_a_wrong_one_is_refused_at_its_field_and_the_key_does_not_come_back(berth: Seed) -> None:
    answer = browser(berth.developer).post(NEW, {**UPLOAD, "key": make("shop.example.test").key})
    assert answer.status_code == 422
    said = answer.text.partition('id="id_key_error"')[2].partition("</div></div>")[0]
    assert "not the key of the certificate" in said
    assert "PRIVATE" not in answer.text
    assert not Certificate.objects.filter(name="mine").exists()


def test_one_is_asked_for_the_hosts_that_the_group_has(berth: Seed) -> None:
    client = browser(berth.developer)
    assert "shop.example.test" in client.get(NEW).text
    wanted = {"how": "request", "name": "auto", "hosts": "shop.example.test\r\nelsewhere.test", "https_only": "on"}
    refused = client.post(NEW, wanted)
    assert refused.status_code == 422
    assert "No app of the group" in refused.text.partition('id="id_acme_hosts_error"')[2]
    answer = client.post(NEW, {**wanted, "hosts": "shop.example.test"}, follow=True)
    assert "being issued" in answer.text
    assert Certificate.objects.get(name="auto").https_only


def test_a_failure_is_shown_with_its_reason(berth: Seed) -> None:
    Certificate.objects.update(failure="shop.example.test: <b>404</b>", not_after=None)
    text = browser(berth.viewer).get(reverse("certificate", args=["shop", "shop"])).text
    assert "shop.example.test: &lt;b&gt;404&lt;/b&gt;" in text


def test_a_refusal_of_an_edge_is_shown_in_its_words(berth: Seed) -> None:
    browser(berth.developer).post(NEW, UPLOAD)
    Certificate.objects.filter(name="mine").update(refused={"edge-1": "<b>too small</b>"})
    page = browser(berth.viewer).get(reverse("certificate", args=["shop", "mine"])).text
    assert "Edge edge-1 refuses it." in page
    assert "&lt;b&gt;too small&lt;/b&gt;" in page
    assert "refused by an edge" in browser(berth.viewer).get(reverse("certificates", args=["shop"])).text


def test_buttons_change_delete_and_renew(berth: Seed) -> None:
    client, found = browser(berth.developer), berth.shop.certificates.get()
    before = found.due_at
    client.post(reverse("renew-certificate", args=["shop", "shop"]))
    client.post(reverse("https-only", args=["shop", "shop"]), {"https_only": "1"})
    found.refresh_from_db()
    assert found.https_only
    assert found.due_at < before
    client.post(reverse("delete-certificate", args=["shop", "shop"]))
    assert not berth.shop.certificates.exists()


def test_an_uploaded_one_is_replaced_on_its_page(berth: Seed) -> None:
    client = browser(berth.developer)
    client.post(NEW, UPLOAD)
    where, successor = reverse("certificate", args=["shop", "mine"]), make("shop.example.test")
    refused = client.post(where, {"certificate": successor.certificate, "key": MADE.key})
    assert refused.status_code == 422
    client.post(where, {"certificate": successor.certificate, "key": successor.key})
    assert Certificate.objects.get(name="mine").chain == successor.certificate


@pytest.mark.parametrize("name", ["renew-certificate", "https-only", "delete-certificate", "certificate"])
def test_a_viewer_looks_and_changes_nothing(berth: Seed, name: str) -> None:
    client = browser(berth.viewer)
    where = reverse(name, args=["shop", "shop"])
    assert client.post(where, {"https_only": "1"}).status_code == 403
    assert client.get(NEW).status_code == 403
    text = client.get(reverse("certificate", args=["shop", "shop"])).text
    assert "formaction" not in text.partition("<main")[2].partition("</main>")[0]
    assert not berth.shop.certificates.get().https_only
