"""Updates that are not rolling ones, on real parts and under load."""

from __future__ import annotations

from typing import Any

import docker
import pytest

from tests.flows.api import Api
from tests.flows.app import GROUP, App
from tests.flows.installation import Berth, get
from tests.flows.load import load
from tests.services import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("sticky", [False, True])
def test_blue_green_moves_all_traffic_at_once_without_a_failed_request(
    api: Api, berth: Berth, engine: docker.APIClient, sticky: bool
) -> None:
    app = App(api, berth, "colours")
    update = {"strategy": "blue_green", "keep": "20s", "drain": "2s"}
    app.create(replicas=3, env={"COLOUR": "blue"}, update=update, http={"sticky": sticky})
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


def canary(*steps: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return {"strategy": "canary", "drain": "2s", "keep": "0s", "canary": {"steps": list(steps), **limits}}


def test_a_bad_canary_is_taken_back_and_only_its_own_answers_failed(
    api: Api, berth: Berth, engine: docker.APIClient
) -> None:
    app = App(api, berth, "tried")
    app.create(replicas=2, env={"COLOUR": "blue"}, update=canary({"weight": 20}, errors=5, requests=20))
    stable = app.containers(engine).keys()
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host, "/cgi-bin/status") as seen:
        change = {"env": {"BROKEN": "1"}, "health": {"path": "/ok.txt"}}  # it says that it is well
        operation = app.end("PATCH", "", change, status="rolled_back")
        assert operation["error"]["reason"]["code"] == "canary_errors"
        wait_until(lambda: app.serves_from(engine, 2), "the stable release serves alone again", 60)
        enough = seen.answered + 100
        broken = seen.failed
        wait_until(lambda: seen.answered > enough, "it serves as before")
    assert broken.keys() == {"500"}
    assert seen.failed == broken
    assert app.containers(engine).keys() == stable
    app.end("DELETE", "")


def test_a_good_canary_gets_all_of_the_traffic_without_a_failed_request(
    api: Api, berth: Berth, engine: docker.APIClient
) -> None:
    app = App(api, berth, "better")
    steps = [{"weight": 10, "duration": "12s"}, {"weight": 100}]
    update = canary(*steps, errors=1, requests=20, header={"name": "X-Canary", "value": "yes"})
    app.create(replicas=2, env={"COLOUR": "blue"}, update=update)
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host, "/cgi-bin/status") as seen:
        operation = api("PATCH", f"/groups/{GROUP}/apps/{app.name}", {"env": {"COLOUR": "green"}}, status=202)
        wait_until(lambda: at(app, 10), "it has a tenth of the traffic", 60)
        headers = {"Host": app.host, "X-Canary": "yes"}
        assert b"COLOUR=green" in get(int(berth.env["BERTH_HTTP_PORT"]), "/cgi-bin/env", headers)[1]
        wait_until(lambda: at(app, 100), "it has all of it, and is held", 90)
        assert {app.env()["COLOUR"] for _ in range(12)} == {"green"}
        api("POST", f"/operations/{operation['id']}/promote", {})
        api.end(operation)
        wait_until(lambda: app.serves_from(engine, 2), "the old ones are gone", 60)
    assert seen.failed == {}
    assert {app.env()["COLOUR"] for _ in range(12)} == {"green"}
    app.end("DELETE", "")


def at(app: App, weight: int) -> bool:
    """Whether the canary has been given this share and every edge has applied it."""
    tried = app.get()["canary"]
    return tried is not None and tried["weight"] == weight and tried["since"] is not None
