"""Failed logins, and the pauses that they lead to.

1. `begin` counts the attempt before its password is looked at, so that guesses in parallel are counted as well, or
   refuses it during a pause: then it neither counts nor prolongs anything
2. `succeeded` forgets what was counted, `failed` tells of the pause, if there is one now

`FREE` attempts in a row cost nothing; from then on each is followed by a pause, twice as long as the one before and
15 minutes at most. What is counted is the user name *from one address* (of IPv6, from one /64 network), so nobody is
kept out by what others do elsewhere; likewise all names of one address together, far more generously. And a browser in
which someone has logged in before carries a signed cookie for that: its attempts for this name are counted by the
cookie and not by the address, so that not even somebody behind the same address or proxy keeps them out.

It is in the database and not in Redis, which holds nothing that may not be lost.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from django.core import signing
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from apps.accounts.models import LoginFailures
from apps.events import services as events

FREE = 5  # attempts in a row for one name
FREE_OF_A_SOURCE = 50  # for all names together
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=15)
FORGOTTEN = timedelta(hours=1)  # after the last attempt
KNOWN_FOR = timedelta(days=365)  # how long a browser is known after a login
_SALT = "berth.known-browser"

log = structlog.get_logger(__name__)


class Paused(Exception):
    """No attempt is looked at for so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Attempt:
    username: str
    source: str  # a network, or a browser that is known for this name
    address: str
    known: bool
    failures: int  # with this one, should it fail
    pause: int  # seconds that follow then


def begin(username: str, address: str, cookie: str, now: datetime) -> Attempt:
    """Count an attempt, or raise `Paused`. `cookie` is what `mark` gave this browser, if it did."""
    username = username[:150]
    browser = _known_browser(cookie, username)
    source = browser or _network(address)
    with transaction.atomic():
        shared = None if browser else _count("", source, FREE_OF_A_SOURCE, now)
        own = _count(username, source, FREE, now)
    row = max((row for row in (shared, own) if row), key=lambda row: row.paused_until or now)
    pause = round((row.paused_until - now).total_seconds()) if row.paused_until else 0
    return Attempt(username, source, address, bool(browser), row.count, pause)


def succeeded(attempt: Attempt) -> None:
    """Forget the failures before a login; of what the source did with other names, this attempt alone."""
    rows = LoginFailures.objects.filter(source=attempt.source)
    rows.filter(username=attempt.username).delete()
    rows.filter(username="").update(count=Greatest(F("count") - 1, 0), paused_until=None)


def failed(attempt: Attempt) -> None:
    """Tell admins of the pause that begins, if one does."""
    if attempt.pause:
        figures = {"address": attempt.address, "failures": attempt.failures, "seconds": attempt.pause}
        log.warning("logins_paused", user=attempt.username, **figures)
        events.record("login.paused", user=attempt.username, **figures)


def forget(now: datetime) -> int:
    """Delete what no longer counts; returns how many rows."""
    return LoginFailures.objects.filter(last_at__lt=now - FORGOTTEN).delete()[0]


def mark(username: str) -> str:
    """What to give the browser in which `username` has logged in."""
    return signing.dumps([username, secrets.token_hex(8)], salt=_SALT)


def _count(username: str, source: str, free: int, now: datetime) -> LoginFailures:
    rows = LoginFailures.objects.select_for_update()
    row, _new = rows.get_or_create(username=username, source=source, defaults={"last_at": now})
    if row.paused_until is not None and row.paused_until > now:
        raise Paused(math.ceil((row.paused_until - now).total_seconds()))
    row.count = 1 if row.last_at < now - FORGOTTEN else row.count + 1
    row.last_at, row.paused_until = now, None
    if row.count >= free:
        row.paused_until = now + min(FIRST_PAUSE * 2 ** min(row.count - free, 10), LONGEST_PAUSE)
    row.save()
    return row


def _known_browser(cookie: str, username: str) -> str:
    try:
        name, browser = signing.loads(cookie, salt=_SALT, max_age=KNOWN_FOR)
    except signing.BadSignature:
        return ""
    return f"browser {browser}" if name == username else ""


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"  # a unix socket has no address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
