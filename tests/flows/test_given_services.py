"""A Berth that is given its services: it starts none of them, works with them, and leaves them alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests import services
from tests.flows.installation import Berth, installation, until_ready

pytestmark = pytest.mark.timeout(300)

GIVEN = ("redis", "etcd", "registry", "database")


@pytest.fixture
def berth(engine: docker.APIClient, tmp_path: Path) -> Iterator[Berth]:
    with (
        services.redis(tmp_path) as redis,
        services.etcd(tmp_path) as (host, port),
        services.registry(tmp_path) as registry,
        services.postgres() as database,
        installation(
            BERTH_REDIS_URL=f"unix://{redis}",
            BERTH_ETCD=f"{host}:{port}",
            BERTH_REGISTRY=registry,
            DATABASE_URL=database.url,
        ) as made,
    ):
        yield made


def test_given_services_are_used_and_outlive_it(berth: Berth) -> None:
    berth.up()
    until_ready(berth)
    lines = berth.status()
    assert {name: lines[name]["state"] for name in GIVEN} == dict.fromkeys(GIVEN, "given")
    assert {lines[name]["pid"] for name in GIVEN} == {None}
    assert berth.app_answers() == 200
    berth.run("down")
    assert berth.app_answers() == 200
    assert all(berth.status()[name]["ok"] for name in GIVEN)
    berth.run("down", "--all", "--yes")
    assert berth.app_answers() == 0
