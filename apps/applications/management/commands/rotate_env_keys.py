"""`manage.py rotate_env_keys`: put all that is encrypted under the newest key of `BERTH_ENV_KEYS`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from apps.applications import secrets
from apps.applications.models import Release
from apps.certificates.models import AcmeAccount, Certificate
from apps.rest.models import IdempotencyKey


class Command(BaseCommand):
    help = "Encrypts every stored environment anew with the first of BERTH_ENV_KEYS; the others can go afterwards."

    def handle(self, *args: Any, **options: Any) -> None:
        environments = _rotate(Release, "env")
        _rotate(IdempotencyKey, "body")
        _rotate(Certificate, "key")
        _rotate(AcmeAccount, "key")
        self.stdout.write(f"{environments} environments are under the newest key.")


def _rotate(model: type[Model], column: str) -> int:
    """Encrypt the column of every row anew; nothing else ever changes what is in it. Returns how many rows had it."""
    rotated = 0
    for pk, stored in model._default_manager.order_by("pk").values_list("pk", column).iterator(chunk_size=200):
        if not stored:
            continue
        try:
            fresh = secrets.rotate(stored)
        except secrets.Undecryptable:
            raise CommandError(
                f"{model._meta.verbose_name} {pk} was encrypted with a key that BERTH_ENV_KEYS lacks"
            ) from None
        model._default_manager.filter(pk=pk).update(**{column: fresh})
        rotated += 1
    return rotated
