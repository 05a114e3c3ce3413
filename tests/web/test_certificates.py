"""Certificates through the API: what is taken, what is refused and where, and that no key ever comes out."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.core.management import call_command
from django.test import override_settings

from apps.applications import secrets
from apps.applications.models import Route
from apps.certificates.models import Certificate
from apps.events.models import Event
from apps.groups.models import Group
from scheduler.engine.fake import FakeEngine
from scheduler.store import certificates as store
from tests.certificates import DAY, PEM, Made, make, new_key
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

HERE = "/groups/shop/certificates"
SHOP = make("shop.test", "www.shop.test")


@pytest.fixture
def api(people: SimpleNamespace, group: Group, other: Group, engine: FakeEngine) -> Api:
    """A developer's, in a group whose app has the host shop.test; another group's has theirs.test."""
    for user, name, host in ((people.developer, "shop", "shop.test"), (people.outsider, "other", "theirs.test")):
        routes = [{"host": host}]
        assert (
            Api(user).post(f"/groups/{name}/apps", {"name": "web", "image": IMAGE, "routes": routes}).status_code < 300
        )
    return Api(people.developer)


def body(made: Made = SHOP, **more: Any) -> dict[str, Any]:
    return {"name": "tls", "certificate": made.certificate, "key": made.key, **more}


def test_an_uploaded_certificate_is_read_and_its_key_kept_encrypted(api: Api) -> None:
    answer = api.post(HERE, body(https_only=True))
    assert answer.status_code == 201, answer.content
    assert answer["Location"] == "/api/v1/groups/shop/certificates/tls"
    shown = api.get(f"{HERE}/tls").json()
    assert shown == answer.json()
    assert (shown["hosts"], shown["state"], shown["https_only"]) == (["shop.test", "www.shop.test"], "valid", True)
    kept = Certificate.objects.get()
    assert secrets.decrypt_bytes(kept.key).decode() == SHOP.key
    assert kept.chain == SHOP.certificate
    assert b"PRIVATE" not in bytes(kept.key)


def test_a_key_is_never_shown_again(api: Api) -> None:
    answers = [
        api.post(HERE, body()),
        api.get(HERE),
        api.get(f"{HERE}/tls"),
        api.patch(f"{HERE}/tls", {"https_only": True}),
    ]
    answers += [api.post(HERE, body(), idempotency_key="k"), api.get("/events"), api.post(HERE + "?dry_run=1", body())]
    secret = SHOP.key.splitlines()[1]
    for answer in answers:
        assert "PRIVATE" not in answer.text
        assert secret not in answer.text
    for event in Event.objects.all():
        assert secret not in str(event.params)


def test_names_are_brought_to_their_normal_form(api: Api) -> None:
    made = make("Shop.TEST", "*.shop.test")
    assert api.post(HERE, body(made)).json()["hosts"] == ["shop.test", "*.shop.test"]


LOCKED = (
    new_key()
    .private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word"))
    .decode()
)
ED = ed25519.Ed25519PrivateKey.generate()
CLIENT = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"key": make("shop.test").key}, "key", "key_mismatch"),
    ({"key": "no key"}, "key", "invalid_pem"),
    ({"key": SHOP.certificate}, "key", "invalid_pem"),
    ({"key": LOCKED}, "key", "encrypted_key"),
    ({"key": "x" * 20_000}, "key", "too_long"),
    ({"key": 5}, "key", "invalid_type"),
    ({"key": "a\0b"}, "key", "invalid_text"),
    ({"key": None}, "key", "invalid_type"),
    ({"certificate": ["a"]}, "certificate", "invalid_type"),
    ({"certificate": "no certificate"}, "certificate", "invalid_pem"),
    ({"certificate": SHOP.key}, "certificate", "invalid_pem"),
    ({"certificate": SHOP.certificate[:200] + "\n-----END CERTIFICATE-----"}, "certificate", "invalid_pem"),
    ({"certificate": SHOP.certificate + "x" * 70_000}, "certificate", "too_long"),
    ({"certificate": SHOP.certificate * 11}, "certificate", "too_many"),
    ({"certificate": SHOP.certificate + make("issuer.test").certificate}, "certificate", "chain_broken"),
    (body(make("shop.test", begins=-9 * DAY, ends=-DAY)), "certificate", "expired"),
    (body(make("shop.test", begins=DAY)), "certificate", "not_yet_valid"),
    (body(make()), "certificate", "no_names"),
    (body(make(*[f"h{n}.shop.test" for n in range(101)])), "certificate", "too_many_names"),
    (body(make("shop.test", key=new_key(rsa_bits=1024))), "key", "unsupported_key"),
    (body(make("shop .test")), "certificate", "invalid_host"),
    (body(make("shop.test\nglobal")), "certificate", "invalid_host"),
    (body(make("a.*.test")), "certificate", "invalid_host"),
    (body(make("*")), "certificate", "invalid_host"),
    (body(make("${HOME}.test")), "certificate", "invalid_host"),
    (body(make("localhost")), "certificate", "reserved_host"),
    (body(make("theirs.test")), "certificate", "host_taken"),
    (body(make("*.test")), "certificate", "invalid_host"),
    ({"name": "No Name"}, "name", "invalid_name"),
    ({"name": "new"}, "name", "reserved_name"),
    ({"https_only": "perhaps"}, "https_only", "invalid_type"),
    ({"more": 1}, "more", "unknown_field"),
    ({"hosts": ["shop.test"]}, "certificate", "not_together"),
]


@pytest.mark.parametrize(
    ("wrong", "field", "code"), WRONG, ids=[f"{field}-{code}-{n}" for n, (_, field, code) in enumerate(WRONG)]
)
def test_a_wrong_upload_is_refused_with_the_fields_name(api: Api, wrong: dict[str, Any], field: str, code: str) -> None:
    said = problem(api.post(HERE, {**body(), **wrong}))
    assert said["status"] == 422
    assert [(each["field"], each["code"]) for each in said["errors"]] == [(field, code)]
    assert not Certificate.objects.exists()


def test_a_wildcard_may_not_stand_for_a_host_of_another_group(api: Api) -> None:
    Route.objects.filter(host="theirs.test").update(host="theirs.shop.test")
    assert problem(api.post(HERE, body(make("*.shop.test"))))["errors"][0]["code"] == "host_taken"


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_certificate_comes_with_its_key(api: Api, missing: str) -> None:
    given = body()
    del given[missing]
    assert [each["field"] for each in problem(api.post(HERE, given))["errors"]] == [missing]


def test_a_name_is_taken_once_a_group(api: Api) -> None:
    assert api.post(HERE, body()).status_code == 201
    assert problem(api.post(HERE, body()))["code"] == "certificate_exists"


def test_a_certificate_is_replaced_by_its_successor(api: Api) -> None:
    api.post(HERE, body())
    successor = make("shop.test")
    shown = api.patch(f"{HERE}/tls", {"certificate": successor.certificate, "key": successor.key}).json()
    assert shown["hosts"] == ["shop.test"]
    assert Certificate.objects.get().chain == successor.certificate
    before = Certificate.objects.get().fingerprint
    refused = problem(api.patch(f"{HERE}/tls", {"certificate": SHOP.certificate, "key": successor.key}))
    assert refused["errors"][0]["code"] == "key_mismatch"
    assert Certificate.objects.get().fingerprint == before


def test_one_that_an_edge_refuses_says_so_until_it_is_replaced(api: Api) -> None:
    api.post(HERE, body())
    assert api.get(f"{HERE}/tls").json()["refused"] == {}
    store.keep_refusals({"shop.tls": {"edge-1": "ee key too small"}}, {"edge-1"}, set())
    shown = api.get(f"{HERE}/tls").json()
    assert (shown["state"], shown["refused"]) == ("refused", {"edge-1": "ee key too small"})
    [event] = api.get("/events?kind=certificate.refused").json()["items"]
    assert "edge edge-1 refuses certificate tls: ee key too small" in event["message"]
    again = make("shop.test", "www.shop.test")
    shown = api.patch(f"{HERE}/tls", {"certificate": again.certificate, "key": again.key}).json()
    assert (shown["state"], shown["refused"]) == ("valid", {})


def test_a_change_that_is_refused_in_part_changes_nothing(api: Api) -> None:
    api.post(HERE, body())
    assert api.patch(f"{HERE}/tls", {"key": SHOP.key, "https_only": True}).status_code == 422
    assert not Certificate.objects.get().https_only


def test_one_is_asked_for_hosts_that_the_group_has(api: Api) -> None:
    shown = api.post(HERE, {"name": "auto", "hosts": ["Shop.test."]}).json()
    assert (shown["source"], shown["state"], shown["hosts"]) == ("acme", "pending", ["shop.test"])
    assert shown["due_at"] is not None
    assert problem(api.patch(f"{HERE}/auto", {"certificate": "a", "key": "b"}))["code"] == "not_uploaded"
    assert api.post(f"{HERE}/auto/renew").status_code == 202


@pytest.mark.parametrize(
    ("hosts", "field", "code"),
    [
        ("shop.test", "hosts", "invalid_list"),
        ([], "hosts", "invalid_list"),
        (None, "hosts", "invalid_type"),
        (["shop.test"] * 101, "hosts", "invalid_list"),
        (["shop.test", "*.shop.test"], "hosts[1]", "invalid_host"),
        ([5], "hosts[0]", "invalid_type"),
        (["unrouted.test"], "hosts[0]", "no_route"),
        (["theirs.test"], "hosts", "host_taken"),
        (["localhost"], "hosts[0]", "reserved_host"),
    ],
)
def test_one_is_not_asked_for_other_hosts(api: Api, hosts: Any, field: str, code: str) -> None:
    said = problem(api.post(HERE, {"name": "auto", "hosts": hosts}))
    assert [(each["field"], each["code"]) for each in said["errors"]] == [(field, code)]


def test_an_uploaded_one_is_not_renewed_by_berth(api: Api) -> None:
    api.post(HERE, body())
    assert problem(api.post(f"{HERE}/tls/renew"))["code"] == "not_acme"


def test_a_deleted_certificate_is_gone_and_its_history_stays(api: Api) -> None:
    api.post(HERE, body())
    assert api.delete(f"{HERE}/tls").status_code == 204
    assert api.get(f"{HERE}/tls").status_code == 404
    assert set(Event.objects.filter(kind__startswith="certificate").values_list("kind", flat=True)) == {
        "certificate.added",
        "certificate.deleted",
    }


def test_its_state_tells_when_it_ends(api: Api) -> None:
    api.post(HERE, body(make("shop.test", ends=3 * DAY)))
    assert api.get(f"{HERE}/tls").json()["state"] == "expiring"
    Certificate.objects.update(not_after=datetime.datetime.now(datetime.UTC) - DAY)
    assert api.get(f"{HERE}/tls").json()["state"] == "expired"


def test_its_key_is_rotated_with_the_environments(api: Api, settings: Any) -> None:
    api.post(HERE, body())
    before = bytes(Certificate.objects.get().key)
    fresh = "A" * 43 + "="
    with override_settings(BERTH_ENV_KEYS=(fresh, *settings.BERTH_ENV_KEYS)):
        call_command("rotate_env_keys")
    with override_settings(BERTH_ENV_KEYS=(fresh,)):
        assert secrets.decrypt_bytes(Certificate.objects.get().key).decode() == SHOP.key
    assert bytes(Certificate.objects.get().key) != before


def test_a_host_that_both_groups_have_may_be_named_by_both(api: Api, people: SimpleNamespace) -> None:
    Route.objects.filter(host="theirs.test").update(host="shop.test", path="/theirs")
    made = make("shop.test")
    assert api.post(HERE, body(made)).status_code == 201
    assert Api(people.outsider).post("/groups/other/certificates", body(made)).status_code == 201
