"""Certificates issued by a real ACME server, through a real etcd and a real edge."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings

from apps.applications.models import App, Route
from apps.certificates import services
from apps.certificates.models import AcmeAccount, Certificate, State
from apps.events.models import Event
from apps.groups.models import Group
from scheduler import certificates, tls
from scheduler.world import World
from tests.certificates import shown
from tests.pebble import Pebble, pebble
from tests.real.edge.conftest import Bench
from tests.services import EDGE_KEY, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Here:
    """A group with an app, an edge, and an authority that asks it."""

    def __init__(self, bench: Bench, authority: Pebble) -> None:
        self.bench, self.authority = bench, authority
        self.now = datetime.now(UTC)
        self.group = Group.objects.create(
            name="team", subnet="10.96.0.0/22", quota_cpu=1, quota_memory=1, quota_disk=1, quota_instances=1
        )
        self.app = App.objects.create(group=self.group, name="shop")
        for host in ("shop.test", "www.shop.test"):
            Route.objects.create(app=self.app, host=host)

    @property
    def world(self) -> World:
        unused: Any = None
        return World(engine=unused, etcd=self.bench.etcd, now=lambda: self.now, cluster=unused, traffic=unused)

    def order(self, *hosts: str) -> Certificate:
        made = services.request(None, self.group, "auto", list(hosts))  # type: ignore[arg-type]
        return self.issue(made)

    def issue(self, certificate: Certificate) -> Certificate:
        self.now = max(self.now, datetime.now(UTC))
        certificates.issue(certificate.pk, self.world)
        certificate.refresh_from_db()
        return certificate

    def served(self, host: str) -> str:
        """The fingerprint of what the edge shows."""
        return shown(self.bench.agent.https_port, host)[0].fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def here(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    with pebble(tmp_path / "pebble", bench.agent.port) as authority:
        berth = dataclasses.replace(
            settings.BERTH,
            edge_keys=(EDGE_KEY,),
            acme_directory=authority.directory,
            acme_ca=str(authority.ca),
            acme_email="ops@example.com",
        )
        monkeypatch.setattr(settings, "BERTH", berth)
        yield Here(bench, authority)


def test_a_certificate_is_issued_served_and_renewed(here: Here) -> None:
    found = here.order("shop.test", "www.shop.test")
    assert found.failure == ""
    assert found.state(here.now) is State.VALID
    for host in ("shop.test", "www.shop.test"):
        wait_until(lambda host=host: here.served(host) == found.fingerprint, "it is served")  # type: ignore[misc]
    chain = x509.load_pem_x509_certificates(found.chain.encode())
    chain[-1].verify_directly_issued_by(x509.load_pem_x509_certificate(here.authority.root().encode()))
    assert found.not_before is not None
    assert found.not_after is not None
    assert found.due_at == found.not_before + (found.not_after - found.not_before) * 2 / 3
    assert here.bench.etcd.keys(tls.CHALLENGES) == frozenset()

    assert here.issue(found).fingerprint == here.served("shop.test"), "before it is due nothing is ordered"
    before, account = found.fingerprint, AcmeAccount.objects.get().uri
    assert found.due_at is not None
    here.now = found.due_at + timedelta(seconds=1)
    Certificate.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    here.issue(found)
    assert found.fingerprint != before
    wait_until(lambda: here.served("shop.test") == found.fingerprint, "the new one is served")
    assert AcmeAccount.objects.get().uri == account
    assert here.bench.logged("certificate_renewed") == 1


def test_what_the_authority_says_against_it_is_kept_and_it_is_tried_ever_more_seldom(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates.tls, "challenge", lambda etcd, answers: 0)  # so nobody answers
    found = here.order("shop.test")
    assert found.state(here.now) is State.FAILED
    assert "shop.test" in found.failure
    assert "404" in found.failure
    assert found.due_at is not None
    first = found.due_at - here.now
    here.now = found.due_at
    certificates.issue(found.pk, here.world)
    found.refresh_from_db()
    assert (found.failures, found.due_at - here.now) == (2, first * 2)
    assert set(Event.objects.filter(kind="certificate.failed").values_list("params__certificate", flat=True)) == {
        "auto"
    }
    monkeypatch.undo()


def test_an_authority_that_is_away_is_a_failure_with_a_reason(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    berth = dataclasses.replace(settings.BERTH, acme_directory="https://127.0.0.1:1/dir")
    monkeypatch.setattr(settings, "BERTH", berth)
    found = here.order("shop.test")
    assert "does not answer" in found.failure
    assert found.busy_until is None


def test_a_host_that_the_group_lost_is_not_ordered_again(here: Here) -> None:
    found = services.request(None, here.group, "auto", ["shop.test"])  # type: ignore[arg-type]
    Route.objects.all().delete()
    assert "No app of the group" in here.issue(found).failure
    assert not AcmeAccount.objects.exists()


def test_two_workers_order_a_certificate_once(here: Here) -> None:
    found = services.request(None, here.group, "auto", ["shop.test"])  # type: ignore[arg-type]
    busy = here.now + timedelta(minutes=1)
    Certificate.objects.update(busy_until=busy)
    assert here.issue(found).tried_at is None
    here.now = busy
    assert here.issue(found).fingerprint != ""


def test_challenges_of_a_worker_that_died_are_forgotten_by_the_sweep(here: Here) -> None:
    tls.challenge(here.bench.etcd, {"tok": "tok." + "a" * 43})
    certificates.sweep(here.world)
    assert here.bench.etcd.keys(tls.CHALLENGES) == frozenset()
