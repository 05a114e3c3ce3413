"""Fork Berth's other processes; started by the supervisor."""

from typing import Any

from django.core.management.base import BaseCommand

from cloud import nursery


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        nursery.main()
