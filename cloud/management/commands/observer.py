"""Turn engine events and edge reports into recorded status."""

from typing import Any

from django.core.management.base import BaseCommand

from cloud import ready
from scheduler import observer


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        ready.tell()
        observer.main()
