"""The worker's connection when Redis goes away."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cloud.broker import Channel, Transport
from cloud.celery import app


@pytest.mark.parametrize("connection", [None, SimpleNamespace(client=None)])
def test_a_channel_whose_connection_was_closed_says_that_it_is_lost(connection: object) -> None:
    with pytest.raises(Transport.connection_errors, match="the connection was closed"):
        Channel._connparams(SimpleNamespace(connection=connection))


@pytest.mark.parametrize("url", ["redis+socket:///run/redis.sock", "redis://cache:6379/0", "rediss://cache:6379/0"])
def test_tasks_go_by_it_wherever_redis_is(url: str) -> None:
    assert app.connection(url).get_transport_cls() is Transport


def test_redis_is_waited_for_however_long_it_is_away() -> None:
    assert app.conf.broker_connection_max_retries is None
