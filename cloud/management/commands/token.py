"""Print a new API token. It is shown this once and cannot be shown again."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User
from apps.errors import Problem


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the token is for, to tell it from others")
        parser.add_argument("--user", default="admin", help="whom it acts for (admin)")
        parser.add_argument("--days", type=int, help="after how many days it expires (never)")

    def handle(self, *_args: Any, name: str, user: str, days: int | None, **_options: Any) -> None:
        try:
            owner = User.objects.filter(username=user).first()
        except DatabaseError as error:
            raise CommandError(f"there is no database to be used: {error}; ./berth up makes one") from error
        if owner is None:
            raise CommandError(f"there is no user {user}")
        expires_at = timezone.now() + timedelta(days=days) if days is not None else None
        try:
            _token, secret = services.create_token(owner, name, expires_at)
        except Problem as error:
            raise CommandError(str(error)) from error
        self.stdout.write(secret)
