"""Makes Celery's application the current one wherever Django is set up, so that web processes can send tasks."""

from django.apps import AppConfig


class CloudConfig(AppConfig):
    name = "cloud"

    def ready(self) -> None:
        # not in cloud/__init__.py: the supervisor imports that, and needs neither Celery nor its memory
        from cloud import celery  # noqa: F401
