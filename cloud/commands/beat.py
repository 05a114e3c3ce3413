"""Send the periodic tasks. It loads neither Django's apps nor the tasks: their names and times are all it needs.

What is due is computed anew at each start, so there is no schedule file to break.
"""

from __future__ import annotations

from typing import Any

from celery.apps.beat import Beat
from celery.beat import Scheduler
from celery.signals import beat_init

from cloud import config, heartbeat, logs, ready
from cloud.celery import app


class BeatingScheduler(Scheduler):
    def tick(self, *arguments: Any, **named: Any) -> Any:
        """Send what is due; returns the seconds until more is."""
        heartbeat.beat()
        return super().tick(*arguments, **named)


class LightBeat(Beat):
    def init_loader(self) -> None:
        """Celery's own imports every module of tasks here."""
        app.finalize()


def main(_arguments: list[str]) -> int:
    logs.configure(config.read().log_level)
    beat_init.connect(ready.tell, weak=False)
    LightBeat(app=app, scheduler_cls=BeatingScheduler, loglevel="INFO", quiet=True).run()
    return 0
