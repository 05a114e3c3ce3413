"""Bypass control: without any of Berth's processes, and without its stores, requests are served as before."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import docker
import pytest

from tests.flows.api import Api
from tests.flows.installation import Berth, installation, until_ready
from tests.flows.load import load
from tests.services import Postgres, postgres, wait_until

pytestmark = pytest.mark.timeout(400)

CONTROL = ("supervisor", "nursery", "web", "worker", "beat", "observer", "redis", "etcd")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """The PostgreSQL that Berth is given, if it is."""
    if request.param == "sqlite":
        yield None
        return
    with postgres(durable=True) as server:
        yield server


@pytest.fixture
def berth(database: Postgres | None, engine: docker.APIClient) -> Iterator[Berth]:
    with installation(**({"DATABASE_URL": database.url} if database else {})) as made:
        made.up()
        yield made


def started(engine: docker.APIClient, berth: Berth) -> dict[str, str]:
    """Its containers, and when each was started."""
    label = {"label": f"dev.berth.installation={berth.secret('installation')}"}
    ids = [item["Id"] for item in engine.containers(all=True, filters=label)]
    return {one: engine.inspect_container(one)["State"]["StartedAt"] for one in ids}


def test_with_everything_but_the_edge_killed_no_request_fails_and_afterwards_nothing_was_restarted(
    berth: Berth, database: Postgres | None, engine: docker.APIClient
) -> None:
    api = Api.of(berth)
    before, haproxy = started(engine, berth), berth.process("haproxy")
    assert len(before) == 2
    with load(int(berth.env["BERTH_HTTP_PORT"]), "hello.localhost") as seen:
        wait_until(lambda: seen.answered > 100, "the load is on")
        victims = [berth.process(name) for name in (*CONTROL, "edge")]
        for victim in victims:  # the supervisor first, so that it mends nothing
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
        if database:
            database.kill()
        for victim in victims:
            assert victim.wait(20)
        there = seen.answered
        wait_until(lambda: seen.answered > there + 1000, "requests are served without any of them", 60)
        if database:
            database.start()
        berth.up()
        until_ready(berth)
        operation = api("POST", "/groups/demo/apps/hello/scale", {"replicas": 3})
        api.end(operation)
        there = seen.answered
        wait_until(lambda: seen.answered > there + 100, "and afterwards", 30)
    assert seen.failed == {}
    assert before.items() <= started(engine, berth).items()
    assert berth.process("haproxy") == haproxy
