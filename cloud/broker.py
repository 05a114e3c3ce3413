"""Celery's way to Redis, with the error that it expects when a connection was closed.

When Redis goes away the worker closes its connection and makes another. Tasks that end meanwhile acknowledge over the
closed one, and closing puts back what was not acknowledged. There, kombu asks the closed connection for its address and
fails with an `AttributeError`, which Celery takes for the end of the worker; of a lost connection it only makes a note.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as Lost


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise Lost("the connection was closed")
        params: dict[str, Any] = super()._connparams(asynchronous)
        return params


class Transport(redis.Transport):
    Channel = Channel
