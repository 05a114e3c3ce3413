"""The Celery application of worker and beat."""

import os

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

from scheduler.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")

TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "cloud.broker:Transport"))

app = Celery("berth")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["scheduler"])
app.conf.beat_schedule = SCHEDULE


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """`cloud.logs` has configured it; without a receiver here Celery would do it again."""
