"""Certificates in the database: which the edges are to have, which are due, and what became of an order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apps.applications import secrets
from apps.certificates import pem, services
from apps.certificates.models import AcmeAccount, Certificate, Source
from apps.certificates.serving import serving
from apps.errors import Invalid
from scheduler.tls import Certificate as Published

BUSY = timedelta(minutes=5)  # after which whoever took an order has died
AHEAD = timedelta(hours=1)  # that an authority's clock may be before ours: what it has just issued is valid
BACK_OFF, LONGEST_BACK_OFF = timedelta(minutes=2), timedelta(hours=12)


class NotOrdered(Exception):
    """It may not or need not be ordered; says why."""


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    hosts: tuple[str, ...]


def published() -> dict[str, Published]:
    """What the edges are to have, by `<group>.<name>`."""
    rows = Certificate.objects.exclude(chain="").select_related("group")
    hosts: dict[Certificate, list[str]] = {}
    for host, row in serving(rows).items():
        hosts.setdefault(row, []).append(host)
    return {
        f"{row.group.name}.{row.name}": Published(
            row.chain + secrets.decrypt_bytes(row.key).decode(), tuple(sorted(of)), row.https_only
        )
        for row, of in hosts.items()
    }


def keep_refusals(said: Mapping[str, Mapping[str, str]], current: Collection[str], behind: Collection[str]) -> None:
    """Which edges do not serve which certificate, and why: by `<group>.<name>` and edge.

    The word of the edges in `current` counts; of those `behind` what was known before; of others nothing.
    """
    for row in Certificate.objects.select_related("group").only("name", "group__name", "refused"):
        says = said.get(f"{row.group.name}.{row.name}", {})
        if _refused(row, says, current, behind) == row.refused:
            continue
        with transaction.atomic():
            fresh = Certificate.objects.select_for_update(no_key=True, of=("self",)).filter(pk=row.pk).first()
            if fresh is not None:
                services.refused(fresh, _refused(fresh, says, current, behind))


def _refused(
    row: Certificate, says: Mapping[str, str], current: Collection[str], behind: Collection[str]
) -> dict[str, str]:
    kept = {edge: why for edge, why in row.refused.items() if edge in behind}
    return kept | {edge: why for edge, why in says.items() if edge in current}


def due(now: datetime) -> list[int]:
    """Certificates whose turn it is to be ordered."""
    free = Q(busy_until=None) | Q(busy_until__lte=now)
    return list(Certificate.objects.filter(free, source=Source.ACME, due_at__lte=now).values_list("id", flat=True))


def ordering(now: datetime) -> bool:
    """Whether any is being ordered."""
    return Certificate.objects.filter(busy_until__gt=now).exists()


def take(certificate_id: int, now: datetime) -> Order | None:
    """Take the order in hand; None when someone else has it, or it is not its turn."""
    free = Q(busy_until=None) | Q(busy_until__lte=now)
    mine = Certificate.objects.filter(free, pk=certificate_id, source=Source.ACME, due_at__lte=now)
    if not mine.update(busy_until=now + BUSY, tried_at=now):
        return None
    row = Certificate.objects.get(pk=certificate_id)
    return Order(row.pk, tuple(row.hosts))


def check(order: Order) -> None:
    """Raise `NotOrdered` when its hosts are not the group's any more."""
    row = _row(order)
    try:
        services.check_hosts(row.group, row.hosts)
    except Invalid as refused:
        raise NotOrdered(str(refused)) from None


def keep_issued(order: Order, chain: str, key: bytes, now: datetime) -> None:
    """What the authority has issued, checked like an upload; due again at two thirds of its life."""
    try:
        parsed = pem.read(chain, key.decode(), now + AHEAD)
    except Invalid as refused:
        raise NotOrdered(f"what was issued is no good: {refused}") from None
    if not all(any(pem.covers(name, host) for name in parsed.names) for host in order.hosts):
        raise NotOrdered("what was issued does not name all hosts")
    life = parsed.not_after - parsed.not_before
    with transaction.atomic():
        services.issued(_row(order), parsed, parsed.not_before + life * 2 / 3)
        _release(order)


def keep_failed(order: Order, why: str, now: datetime) -> None:
    """Try again later, and later every time."""
    with transaction.atomic():
        row = _row(order)
        pause = min(BACK_OFF * 2 ** min(row.failures, 20), LONGEST_BACK_OFF)
        services.not_issued(row, why, now + pause)
        _release(order)


def _row(order: Order) -> Certificate:
    row = Certificate.objects.select_related("group").filter(pk=order.id).first()
    if row is None:
        raise NotOrdered("it was deleted")
    return row


def _release(order: Order) -> None:
    Certificate.objects.filter(pk=order.id).update(busy_until=None)


def account(directory: str) -> tuple[bytes, str] | None:
    """Key (PEM) and address of our account at an authority."""
    row = AcmeAccount.objects.filter(directory=directory).first()
    return (secrets.decrypt_bytes(row.key), row.uri) if row is not None else None


def keep_account(directory: str, key: bytes, uri: str) -> None:
    """Of two workers that made one at the same moment, the first has it."""
    AcmeAccount.objects.get_or_create(directory=directory, defaults={"key": secrets.encrypt_bytes(key), "uri": uri})
