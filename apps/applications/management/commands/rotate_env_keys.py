"""`manage.py rotate_env_keys`: put every environment under the newest key of `BERTH_ENV_KEYS`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.applications import secrets
from apps.applications.models import Release


class Command(BaseCommand):
    help = "Encrypts every stored environment anew with the first of BERTH_ENV_KEYS; the others can go afterwards."

    def handle(self, *args: Any, **options: Any) -> None:
        rotated = 0
        # releases are immutable, so nothing writes `env` at the same time
        for pk, env in Release.objects.order_by("pk").values_list("pk", "env").iterator(chunk_size=200):
            try:
                Release.objects.filter(pk=pk).update(env=secrets.rotate(env))
            except secrets.Undecryptable:
                raise CommandError(f"release {pk} was encrypted with a key that BERTH_ENV_KEYS lacks") from None
            rotated += 1
        self.stdout.write(f"{rotated} environments are under the newest key.")
