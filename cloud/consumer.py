"""The worker's connection to Redis, patient when that goes away."""

from __future__ import annotations

import structlog
from celery.worker.consumer import Consumer

log = structlog.get_logger(__name__)


class PatientConsumer(Consumer):
    """Connects anew whatever goes wrong while it lets go of a lost connection.

    Closing one puts the messages that were not acknowledged back, over that same connection, which tasks that end
    meanwhile may have closed already: kombu then fails in ways that Celery takes for the end of the worker.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:
            log.warning("lost_connection_not_closed", error=repr(error))
            self.connection = None
