"""The worker when Redis goes away."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from cloud.celery import app
from cloud.consumer import PatientConsumer


def broken(*_: Any) -> None:
    """What kombu does when a task that ended has closed the connection meanwhile."""
    raise AttributeError("'NoneType' object has no attribute 'hostname'")


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_lost_connection_that_cannot_be_closed_is_no_end_of_the_worker() -> None:
    consumer = PatientConsumer.__new__(PatientConsumer)
    consumer.app, consumer.connection = app, Mock(close=broken, connection_errors=(), channel_errors=())
    consumer.on_connection_error_after_connected(ConnectionError("gone"))
    assert consumer.connection is None  # so that the next one is made


def test_the_worker_runs_with_it() -> None:
    assert app.conf.worker_consumer == "cloud.consumer:PatientConsumer"
    assert app.conf.broker_connection_max_retries is None
