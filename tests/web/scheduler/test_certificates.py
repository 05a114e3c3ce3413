"""Which certificate serves which host, and when one is ordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from apps.applications import secrets
from apps.applications.models import App, Route
from apps.certificates.models import Certificate
from apps.events.models import Event
from apps.groups.models import Group
from scheduler import certificates, discovery
from scheduler.discovery import Report
from scheduler.etcd_fake import FakeEtcd
from scheduler.store import certificates as store
from scheduler.store.certificates import NotOrdered
from tests.certificates import DAY, make

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def group(name: str, *hosts: str) -> Group:
    made = Group.objects.create(
        name=name, subnet=f"10.{Group.objects.count()}.0.0/22", quota_cpu=1, quota_memory=1, quota_disk=1,
        quota_instances=1,
    )  # fmt: skip
    app = App.objects.create(group=made, name="web")
    Route.objects.bulk_create(Route(app=app, host=host) for host in hosts)
    return made


def uploaded(of: Group, name: str, *hosts: str, ends: timedelta = 90 * DAY) -> Certificate:
    return Certificate.objects.create(
        group=of, name=name, source="uploaded", hosts=list(hosts), chain=f"chain of {name}\n",
        key=secrets.encrypt_bytes(b"key"), not_before=NOW, not_after=NOW + ends,
    )  # fmt: skip


def asked(of: Group, *hosts: str) -> Certificate:
    return Certificate.objects.create(group=of, name="auto", source="acme", hosts=list(hosts), due_at=NOW)


def served() -> dict[str, tuple[str, ...]]:
    return {name: each.hosts for name, each in store.published().items()}


def test_a_certificate_serves_the_hosts_that_its_group_has_routes_for() -> None:
    shop = group("shop", "a.test", "b.test")
    group("other", "theirs.a.test")
    uploaded(shop, "one", "a.test", "unrouted.test", "*.a.test")
    assert served() == {"shop.one": ("a.test",)}
    assert store.published()["shop.one"].pem == "chain of one\nkey"


def test_the_name_in_full_wins_over_a_wildcard_and_then_the_longer_life() -> None:
    shop = group("shop", "a.shop.test", "b.shop.test")
    uploaded(shop, "wild", "*.shop.test", ends=300 * DAY)
    uploaded(shop, "short", "a.shop.test", ends=DAY)
    uploaded(shop, "long", "a.shop.test", ends=90 * DAY)
    assert served() == {"shop.wild": ("b.shop.test",), "shop.long": ("a.shop.test",)}


def test_one_that_is_not_issued_yet_serves_nothing() -> None:
    asked(group("shop", "a.test"), "a.test")
    assert served() == {}


def test_an_order_is_taken_by_one_and_again_when_that_one_died() -> None:
    found = asked(group("shop", "a.test"), "a.test")
    assert store.due(NOW) == [found.pk]
    assert store.take(found.pk, NOW - timedelta(seconds=1)) is None, "it is not its turn"
    assert store.take(found.pk, NOW) is not None
    assert store.take(found.pk, NOW) is None
    assert store.due(NOW) == []
    assert store.ordering(NOW)
    later = NOW + store.BUSY
    assert store.due(later) == [found.pk]
    assert store.take(found.pk, later) is not None


def test_failures_come_ever_more_seldom_and_an_issue_ends_them() -> None:
    found = asked(group("shop", "a.test"), "a.test")
    now, pauses = NOW, []
    for _ in range(12):
        order = store.take(found.pk, now)
        assert order is not None
        store.keep_failed(order, "x" * 600, now)
        found.refresh_from_db()
        assert found.due_at is not None
        pauses.append(found.due_at - now)
        now = found.due_at
    assert pauses[:3] == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert pauses[-1] == store.LONGEST_BACK_OFF
    assert len(found.failure) == 500
    order = store.take(found.pk, now)
    assert order is not None
    made = make("a.test", ends=29 * DAY)
    store.keep_issued(order, made.certificate, made.key.encode(), NOW)
    found.refresh_from_db()
    assert (found.failure, found.failures, found.busy_until) == ("", 0, None)
    assert found.not_before is not None
    assert found.due_at == found.not_before + 20 * DAY, "two thirds of its life"


def test_what_was_issued_is_checked_like_an_upload() -> None:
    found = asked(group("shop", "a.test"), "a.test")
    order = store.take(found.pk, NOW)
    assert order is not None
    made = make("a.test")
    for chain, key in ((made.certificate, make("a.test").key), (make("b.test", key=None).certificate, made.key)):
        with pytest.raises(NotOrdered):
            store.keep_issued(order, chain, key.encode(), NOW)
    other = make("b.test")
    with pytest.raises(NotOrdered, match="all hosts"):
        store.keep_issued(order, other.certificate, other.key.encode(), NOW)


def test_an_authority_whose_clock_is_ahead_issues_all_the_same() -> None:
    found = asked(group("shop", "a.test"), "a.test")
    order = store.take(found.pk, NOW)
    assert order is not None
    made = make("a.test", begins=timedelta(minutes=5))
    store.keep_issued(order, made.certificate, made.key.encode(), NOW)
    found.refresh_from_db()
    assert found.chain == made.certificate


def test_an_order_of_a_deleted_certificate_ends() -> None:
    found = asked(group("shop", "a.test"), "a.test")
    order = store.take(found.pk, NOW)
    assert order is not None
    found.delete()
    with pytest.raises(NotOrdered, match="deleted"):
        store.check(order)


def refusals() -> dict[str, dict[str, str]]:
    return {str(row): row.refused for row in Certificate.objects.all() if row.refused}


def test_what_edges_refuse_is_kept_until_they_serve_it() -> None:
    shop = group("shop", "a.test")
    uploaded(shop, "one", "a.test")
    uploaded(shop, "two", "b.test")
    said = {"shop.one": {"e1": "too small", "e2": "too small"}, "other.one": {"e1": "no"}}
    store.keep_refusals(said, {"e1", "e2"}, set())
    assert refusals() == {"shop/one": {"e1": "too small", "e2": "too small"}}
    store.keep_refusals({"shop.one": {"e2": "no good"}}, {"e1", "e2"}, set())
    store.keep_refusals({}, set(), {"e1", "e2"})
    assert refusals() == {"shop/one": {"e2": "no good"}}, "those that are behind have not said anything new"
    assert Event.objects.filter(kind="certificate.refused").count() == 1, "once, however many edges"
    store.keep_refusals({"shop.one": {"e2": "no good"}}, {"e1"}, set())
    assert refusals() == {}, "an edge that is gone serves nobody wrongly"


def test_only_the_word_of_an_edge_that_has_applied_a_certificate_counts(settings: Any) -> None:
    settings.BERTH = replace(settings.BERTH, edge_keys=(Fernet.generate_key().decode(),))
    uploaded(group("shop", "a.test"), "one", "a.test")
    etcd = FakeEtcd()
    discovery.mark_complete(etcd)
    epoch = etcd.read(discovery.EPOCH).values[discovery.EPOCH]

    def edge(name: str, applied: int) -> None:
        etcd.put(discovery.presence_key(name), "{}")
        etcd.put(discovery.applied_key(name), discovery.dump_applied(applied, epoch))
        key = discovery.report_key(name, discovery.CERTIFICATES, "shop.one")
        etcd.put(key, discovery.dump_report(Report(1, refused="too small")))

    edge("e1", 0)
    certificates.publish(etcd)
    assert refusals() == {}
    edge("e1", etcd.read(discovery.CLOCK).written)
    edge("e2", 0)
    certificates.publish(etcd)
    assert refusals() == {"shop/one": {"e1": "too small"}}


def test_two_workers_that_make_an_account_keep_one() -> None:
    store.keep_account("https://ca.test/dir", b"first", "https://ca.test/1")
    store.keep_account("https://ca.test/dir", b"second", "https://ca.test/2")
    assert store.account("https://ca.test/dir") == (b"first", "https://ca.test/1")
    assert store.account("https://other.test/dir") is None
