"""API tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import ApiToken, User
from apps.errors import conflict, invalid
from apps.events import services as events

TOKEN_PREFIX = "berth_"  # noqa: S105 - not a secret: what every token starts with
USED_EVERY = timedelta(minutes=1)  # how exactly `last_used_at` is kept: a write a request would be too much


def create_token(user: User, name: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """A new token of `user` and its secret, which is nowhere kept and cannot be shown again.

    Raises `Invalid` for a time that has passed, `Conflict` when the user has a token of that name.
    """
    if not name.strip() or len(name) > ApiToken._meta.get_field("name").max_length:
        raise invalid("name", "invalid", _("A token's name has 1 to 60 characters."))
    if expires_at is not None and expires_at <= timezone.now():
        raise invalid("expires_at", "in_the_past", _("This time has passed."))
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            token = ApiToken.objects.create(
                user=user, name=name, digest=_digest(secret), prefix=secret[:12], expires_at=expires_at
            )
            events.record("token.created", actor=user, name=name)
    except IntegrityError:
        said = _("You have a token named “%(name)s”.") % {"name": name}
        raise conflict("name", "token_exists", said) from None
    return token, secret


def find_token(secret: str) -> ApiToken | None:
    """The token with this secret, unless it has expired or its user is inactive; notes that it was used.

    The lookup is by digest, so how long it takes says nothing about the secrets that exist.
    """
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now), digest=_digest(secret), user__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or token.last_used_at <= now - USED_EVERY:
        # conditional, so that of many requests at once one writes
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        token.last_used_at = now
    return token


def revoke_token(actor: User, token: ApiToken) -> None:
    """End a token at once."""
    with transaction.atomic():
        token.delete()
        events.record("token.revoked", actor=actor, name=token.name)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
