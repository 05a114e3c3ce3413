"""Send the periodic tasks. What is due is computed anew at each start, so there is no schedule file to break."""

from typing import Any

from celery.signals import beat_init
from django.core.management.base import BaseCommand

from cloud import ready
from cloud.celery import app


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        beat_init.connect(ready.tell, weak=False)
        app.Beat(scheduler_cls="celery.beat:Scheduler", loglevel="INFO", quiet=True).run()
