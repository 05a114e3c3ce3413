"""The Django project. Importing it makes Celery's application the current one, for web processes as well."""

from cloud.celery import app as celery

__all__ = ["celery"]
