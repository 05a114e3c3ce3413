"""Updates that are not rolling ones, on real parts and under load."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.flows.api import Api
from tests.flows.installation import Berth, installation
from tests.flows.load import load
from tests.flows.test_deploying import GROUP, App
from tests.services import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def berth(engine: docker.APIClient) -> Iterator[Berth]:
    with installation() as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def api(berth: Berth) -> Api:
    made = Api.of(berth)
    made("POST", "/groups", {"name": GROUP, "quota": {"cpu": 2, "memory": "1GiB", "disk": "8GiB", "instances": 40}})
    return made


def test_blue_green_moves_all_traffic_at_once_without_a_failed_request(
    api: Api, berth: Berth, engine: docker.APIClient
) -> None:
    app = App(api, berth, "colours")
    app.create(replicas=3, env={"COLOUR": "blue"}, update={"strategy": "blue_green", "keep": "20s"})
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        app.end("PATCH", "", {"env": {"COLOUR": "green"}})
        assert {app.env()["COLOUR"] for _ in range(12)} == {"green"}
        assert len(app.containers(engine)) == 6
        made = app.containers(engine).keys()
        app.end("POST", "/rollback", {"release": 1})
        assert {app.env()["COLOUR"] for _ in range(12)} == {"blue"}
        assert app.containers(engine).keys() == made
        wait_until(lambda: app.serves_from(engine, 3), "those that stood by are gone", 60)
    assert seen.failed == {}
    assert app.events("app.switched")
    app.end("DELETE", "")


def test_a_recreated_app_never_runs_twice(api: Api, berth: Berth, engine: docker.APIClient) -> None:
    app = App(api, berth, "single")
    app.create(replicas=1, update={"strategy": "recreate", "drain": "1s", "stop_timeout": "2s"})
    operation = api("PATCH", f"/groups/{GROUP}/apps/{app.name}", {"env": {"A": "1"}}, status=202)
    most = 0
    while operation["status"] in ("pending", "running"):
        most = max(most, len(app.containers(engine)))
        operation = api("GET", f"/operations/{operation['id']}")
    assert operation["status"] == "succeeded"
    assert most == 1
    assert app.env()["A"] == "1"
    app.end("DELETE", "")
