"""Print a new API token. It is shown this once and cannot be shown again."""

import re
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User
from apps.errors import Conflict, Problem

MOST_DAYS = 36500


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the token is for, to tell it from others")
        parser.add_argument("--user", default="admin", help="whom it acts for (admin)")
        parser.add_argument("--days", help=f"after how many days it expires, from 1 to {MOST_DAYS} (never)")

    def handle(self, *_args: Any, name: str, user: str, days: str | None, **_options: Any) -> None:
        lifetime = None if days is None else _read_days(days)
        try:
            owner = User.objects.filter(username=user).first()
        except DatabaseError as error:
            raise CommandError(f"there is no database to be used: {error}; ./berth up makes one") from error
        if owner is None:
            raise CommandError(f"there is no user {user}")
        expires_at = None if lifetime is None else timezone.now() + lifetime
        try:
            _token, secret = services.create_token(owner, name, expires_at)
        except Conflict as error:
            raise CommandError(f"{error} Choose another name, or end that token on the account page.") from error
        except Problem as error:
            raise CommandError(str(error)) from error
        self.stdout.write(secret)


def _read_days(text: str) -> timedelta:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 0 < int(text) <= MOST_DAYS:
        raise CommandError(f"--days: expected a whole number from 1 to {MOST_DAYS} like 90, got {text!r}")
    return timedelta(days=int(text))
