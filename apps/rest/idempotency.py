"""`Idempotency-Key`: a POST that is sent again answers what it answered before, and does nothing twice.

1. `claim` inserts a row for (user, key); whoever inserts it carries the request out
2. `keep` stores the answer of one that succeeded; `release` forgets one that was refused, since it changed nothing
3. the same key again: with the same request the stored answer, while there is none yet a conflict; with another
   request an error

A request that fails with a fault, or whose process dies, keeps its key without an answer: whether it changed anything
is unknown, so it is never carried out again. Keys are forgotten after a day.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.response import Response

from apps.accounts.models import User
from apps.applications import secrets
from apps.errors import Conflict, FieldError, Invalid, invalid
from apps.rest.models import IdempotencyKey

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


class Replay(Exception):
    """The request was carried out before; `response` is its answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def claim(user: User, key: str, request: HttpRequest) -> IdempotencyKey:
    """The right to carry the request out. Raises `Replay`, `Conflict` (it is under way), `Invalid` (a wrong key)."""
    if not _KEY.fullmatch(key):
        raise invalid(HEADER, "invalid", _("A key has 1 to 255 visible ASCII characters."))
    now = timezone.now()
    IdempotencyKey.objects.filter(created_at__lt=now - KEPT).delete()
    asked = _hash(request)
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, request=asked)
    except IntegrityError:
        row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row is None or (row.status is None and row.request == asked):
        message = _("A request with this key is under way, or its outcome is unknown: look at what it was to change.")
        raise Conflict(message, "idempotency_key_in_use")
    if row.request != asked:
        error = FieldError(HEADER, "reused", _("This key belongs to another request."))
        raise Invalid([error], "idempotency_key_reused")
    raise Replay(_replayed(row))


def keep(row: IdempotencyKey, response: Response) -> None:
    """Store what was answered."""
    row.status, row.location = response.status_code, response.get("Location", "")
    row.body = secrets.encrypt_bytes(response.content)
    row.save(update_fields=["status", "location", "body"])


def release(row: IdempotencyKey) -> None:
    """The request changed nothing: it may be sent again."""
    row.delete()


def _replayed(row: IdempotencyKey) -> HttpResponse:
    body = secrets.decrypt_bytes(row.body)
    headers = {"Idempotency-Replayed": "true"}
    if row.location:
        headers["Location"] = row.location
    return HttpResponse(body, status=row.status, content_type="application/json", headers=headers)


def _hash(request: HttpRequest) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request.body)
    return digest.hexdigest()
