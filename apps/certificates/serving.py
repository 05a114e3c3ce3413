"""Which certificate serves which host."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from apps.applications.models import Route
from apps.certificates import pem
from apps.certificates.models import Certificate


def serving(rows: Collection[Certificate], hosts: Iterable[str] | None = None) -> dict[str, Certificate]:
    """By host, of these certificates with a chain; `hosts`: of these alone.

    A certificate serves those of its names that its group's apps have routes for. Where a host is another group's as
    well, by another path, the first to have come has it. Of several certificates the one that says the host in full,
    and then the one that lasts longest, serves it.
    """
    routes = Route.objects.all() if hosts is None else Route.objects.filter(host__in=set(hosts))
    owners: dict[str, int] = {}
    for host, group in routes.order_by("id").values_list("host", "app__group_id"):
        owners.setdefault(host, group)
    ready: dict[int, list[Certificate]] = {}
    for row in sorted((row for row in rows if row.chain and row.not_after), key=lambda row: (-_ends(row), row.pk)):
        ready.setdefault(row.group_id, []).append(row)
    found = {}
    for host, group in owners.items():
        fitting = [row for row in ready.get(group, ()) if any(pem.covers(name, host) for name in row.hosts)]
        if fitting:
            found[host] = next((row for row in fitting if host in row.hosts), fitting[0])
    return found


def _ends(row: Certificate) -> float:
    return float(row.not_after.timestamp())
