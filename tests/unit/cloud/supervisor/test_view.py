"""What `./berth status` makes of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.supervisor.view import url_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", ("cache", 6379)),
        ("redis://:secret@cache:7000/1?protocol=3", ("cache", 7000)),
        ("unix:///run/redis.sock?db=1", Path("/run/redis.sock")),
        ("postgres://berth:secret@db.example.test/berth", ("db.example.test", 5432)),
        ("postgresql://berth@[::1]:6000/berth", ("::1", 6000)),
        ("postgres:///berth", ("127.0.0.1", 5432)),
        ("postgres://berth@%2Frun%2Fpostgresql/berth", Path("/run/postgresql/.s.PGSQL.5432")),
        ("postgres://berth@%2Frun%2Fpostgresql:6000/berth", Path("/run/postgresql/.s.PGSQL.6000")),
    ],
)
def test_an_url_says_where_to_look_for_the_service(url: str, address: object) -> None:
    assert url_address(url) == address
