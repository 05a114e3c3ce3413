"""Certificates: uploaded, asked for, renewed, deleted. Who may do it is asked before (`permissions`).

A certificate may name hosts that nobody has a route for yet, and none that another group has. Which of them it serves
is decided anew whenever it is published: those that its group's apps have then (`scheduler.store.certificates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import grammar, secrets
from apps.applications.models import Route
from apps.certificates import pem
from apps.certificates.models import Certificate, Source
from apps.errors import Conflict, FieldError, Invalid, conflict, invalid
from apps.events import services as events
from apps.fields import check_name
from apps.groups.models import Group
from apps.panel import live
from scheduler import wake

MOST = 200  # certificates of a group


def upload(
    actor: User, group: Group, name: object, certificate: object, key: object, *, https_only: bool = False
) -> Certificate:
    """A new certificate with its key, both PEM. Raises `Invalid`, `Conflict`."""
    parsed = pem.read(certificate, key, timezone.now())
    _refuse_hosts_of_others(group, parsed.names, "certificate")
    return _create(actor, group, name, source=Source.UPLOADED, https_only=https_only, **_columns(parsed))


def request(actor: User, group: Group, name: object, hosts: object, *, https_only: bool = False) -> Certificate:
    """Have one issued for hosts that the group's apps have. Raises `Invalid`, `Conflict`."""
    if not settings.BERTH.https_port:
        raise conflict("hosts", "no_https", _("This Berth serves nothing encrypted: BERTH_HTTPS_PORT is 0."))
    wanted = check_hosts(group, hosts)
    made = _create(actor, group, name, source=Source.ACME, https_only=https_only, hosts=wanted, due_at=timezone.now())
    wake.issue(made.pk)
    return made


def replace(actor: User, found: Certificate, certificate: object, key: object) -> Certificate:
    """Another chain and key in place of those uploaded before. Raises `Invalid`, `Conflict`."""
    if found.source != Source.UPLOADED:
        said = _("This certificate is issued by ACME; it is renewed by itself.")
        raise conflict("certificate", "not_uploaded", said)
    parsed = pem.read(certificate, key, timezone.now())
    _refuse_hosts_of_others(found.group, parsed.names, "certificate")
    with transaction.atomic():
        _update(found, **_columns(parsed))
        events.record("certificate.replaced", actor=actor, group=found.group, certificate=found.name)
        wake.publish_certificates()
    return found


def set_https_only(actor: User, found: Certificate, https_only: bool) -> Certificate:
    """Whether requests in the clear for its hosts are sent to HTTPS."""
    if found.https_only == https_only:
        return found
    with transaction.atomic():
        _update(found, https_only=https_only)
        events.record("certificate.changed", actor=actor, group=found.group, certificate=found.name)
        wake.publish_certificates()
    return found


def renew(actor: User, found: Certificate) -> Certificate:
    """Order it now, whenever it would be its turn. Raises `Conflict` for one that was uploaded."""
    if found.source != Source.ACME:
        raise Conflict(_("This certificate was uploaded; upload its successor."), "not_acme")
    with transaction.atomic():
        _update(found, due_at=timezone.now(), failures=0)
        events.record("certificate.changed", actor=actor, group=found.group, certificate=found.name)
        wake.issue(found.pk)
    return found


def delete(actor: User, found: Certificate) -> None:
    """The edges serve its hosts without it from then on."""
    with transaction.atomic():
        found.delete()
        events.record("certificate.deleted", actor=actor, group=found.group, certificate=found.name)
        wake.publish_certificates()


def check_hosts(group: Group, hosts: object) -> list[str]:
    """Hosts that a certificate may be ordered for: the group's own. Raises `Invalid`."""
    if not isinstance(hosts, list) or not 0 < len(hosts) <= pem.MOST_NAMES:
        raise invalid("hosts", "invalid_list", _("This is a list of 1 to %(most)s hosts.") % {"most": pem.MOST_NAMES})
    wanted, errors = [], []
    for index, host in enumerate(hosts):
        try:
            wanted.append(grammar.host(host))
        except grammar.Wrong as wrong:
            errors.append(FieldError(f"hosts[{index}]", wrong.code, str(wrong)))
    if errors:
        raise Invalid(errors)
    _refuse_hosts_of_others(group, wanted, "hosts")
    own = set(Route.objects.filter(app__group=group, host__in=wanted).values_list("host", flat=True))
    errors = [
        FieldError(f"hosts[{index}]", "no_route", _("No app of the group has a route with this host."))
        for index, host in enumerate(wanted)
        if host not in own
    ]
    if errors:
        raise Invalid(errors)
    return list(dict.fromkeys(wanted))


def _refuse_hosts_of_others(group: Group, names: Sequence[str], field: str) -> None:
    """Raise `Invalid` when a name stands for a host that another group has, and this one has not."""
    taken = sorted(name for name in names if _is_of_others(group, name))
    if taken:
        said = _("Another group has the host %(host)s.") % {"host": taken[0]}
        raise invalid(field, "host_taken", said)


def _is_of_others(group: Group, name: str) -> bool:
    if not name.startswith("*."):
        groups = set(Route.objects.filter(host=name).values_list("app__group_id", flat=True))
        return bool(groups) and group.pk not in groups
    others = Route.objects.filter(host__endswith=name[1:]).exclude(app__group=group).values_list("host", flat=True)
    return any(pem.covers(name, host) for host in others)


def _create(actor: User, group: Group, name: object, **columns: Any) -> Certificate:
    checked = check_name(name)
    if group.certificates.count() >= MOST:
        raise Conflict(_("A group has at most %(most)s certificates.") % {"most": MOST}, "too_many_certificates")
    try:
        with transaction.atomic():
            made = Certificate.objects.create(group=group, name=checked, **columns)
            events.record("certificate.added", actor=actor, group=group, certificate=checked)
            wake.publish_certificates()
            return made
    except IntegrityError:
        said = _("The group has a certificate named “%(name)s”.") % {"name": checked}
        raise conflict("name", "certificate_exists", said) from None


def _columns(parsed: pem.Parsed) -> dict[str, Any]:
    return {
        "hosts": list(parsed.names),
        "chain": parsed.chain,
        "key": secrets.encrypt_bytes(parsed.key),
        "issuer": parsed.issuer,
        "fingerprint": parsed.fingerprint,
        "not_before": parsed.not_before,
        "not_after": parsed.not_after,
        "refused": {},
    }


def issued(found: Certificate, parsed: pem.Parsed, due_at: Any) -> None:
    """What the loop has got for one that was asked for."""
    _update(found, **{**_columns(parsed), "hosts": found.hosts}, failures=0, failure="", due_at=due_at)
    events.record("certificate.issued", group=found.group, certificate=found.name)


def not_issued(found: Certificate, why: str, due_at: Any) -> None:
    """Why the loop did not get it."""
    _update(found, failures=found.failures + 1, failure=why[:500], due_at=due_at)
    events.record("certificate.failed", group=found.group, certificate=found.name, problem=why[:500])


def refused(found: Certificate, by: dict[str, str]) -> None:
    """Which edges do not serve it, and why. Call it in a transaction, with its row locked."""
    first = bool(by) and not found.refused
    if by != found.refused:
        _update(found, refused=by)
        live.announce(f"group.{found.group_id}")
    if first:
        edge, why = min(by.items())
        events.record("certificate.refused", group=found.group, certificate=found.name, edge=edge, problem=why)


def _update(found: Certificate, **columns: Any) -> None:
    for column, value in columns.items():
        setattr(found, column, value)
    found.save(update_fields=list(columns))
