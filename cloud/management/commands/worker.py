"""Run the control loops' tasks: one Celery worker with threads, since what they do is wait for engines."""

from typing import Any

from celery.signals import task_postrun, worker_ready
from django.core.management.base import BaseCommand

from cloud import heartbeat, ready
from cloud.celery import app

THREADS = 8  # more calls at once gain nothing from an engine on a small machine


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        worker_ready.connect(ready.tell, weak=False)
        task_postrun.connect(heartbeat.beat, weak=False)  # beat sends tasks all the time
        worker = app.Worker(
            pool="threads",
            concurrency=THREADS,
            loglevel="INFO",
            quiet=True,
            without_gossip=True,  # workers need not know of each other
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
        raise SystemExit(worker.exitcode)
