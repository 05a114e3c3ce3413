"""A Berth with a second edge: changes that both acknowledge, and one of them that dies."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.flows.api import Api
from tests.flows.app import GROUP, App
from tests.flows.edges import edge_beside
from tests.flows.installation import Berth, get
from tests.flows.load import load
from tests.flows.test_strategies import at, canary
from tests.services import EdgeAgent, wait_until

pytestmark = pytest.mark.timeout(300)
FIRST_ANSWERS = 200  # of an edge that has just begun to take requests


@pytest.fixture
def other(berth: Berth, tmp_path: Path) -> Iterator[EdgeAgent]:
    with edge_beside(berth, tmp_path) as agent:
        yield agent


def env_at(agent: EdgeAgent, app: App) -> dict[str, str]:
    """The environment of whichever instance answers there; empty if none does."""
    status, body = get(agent.port, "/cgi-bin/env", {"Host": app.host})
    return dict(line.split("=", 1) for line in body.decode().splitlines() if "=" in line) if status == 200 else {}


def begun(api: Api, app: App, engine: docker.APIClient) -> dict[str, Any]:
    """The operation of an update in whose midst it is."""
    operation: dict[str, Any] = api(
        "PATCH", f"/groups/{GROUP}/apps/{app.name}", {"env": {"COLOUR": "green"}}, status=202
    )
    wait_until(lambda: len(app.containers(engine)) > 3, "the update is under way")
    return operation


def test_no_edge_drops_a_request_of_an_update(
    api: Api, berth: Berth, engine: docker.APIClient, other: EdgeAgent
) -> None:
    app = App(api, berth, "both")
    app.create(replicas=3, env={"COLOUR": "blue"})
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host) as here, load(other.port, app.host) as there:
        app.end("PATCH", "", {"env": {"COLOUR": "green"}})
        assert {app.env()["COLOUR"] for _ in range(12)} == {"green"}
        assert {env_at(other, app)["COLOUR"] for _ in range(12)} == {"green"}
        app.end("POST", "/scale", {"replicas": 1})
        app.end("POST", "/scale", {"replicas": 4})
    assert (here.failed, there.failed) == ({}, {})
    assert min(here.answered, there.answered) > 100
    app.end("DELETE", "")
    wait_until(lambda: get(other.port, "/", {"Host": app.host})[0] == 404, "it is nowhere any more")


def test_an_edge_that_dies_for_good_in_the_midst_of_an_update_is_not_waited_for(
    api: Api, berth: Berth, engine: docker.APIClient, other: EdgeAgent
) -> None:
    app = App(api, berth, "bereft")
    app.create(replicas=3, env={"COLOUR": "blue"})
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        operation = begun(api, app, engine)
        other.lose_power()
        api.end(operation)
        assert {app.env()["COLOUR"] for _ in range(12)} == {"green"}
    assert seen.failed == {}
    assert app.serves_from(engine, 3)
    app.end("DELETE", "")


@pytest.mark.parametrize("ended", [False, True], ids=["during the update", "after the update"])
def test_an_edge_that_comes_back_answers_rightly_from_its_first_request_on(
    api: Api, berth: Berth, engine: docker.APIClient, other: EdgeAgent, ended: bool
) -> None:
    app = App(api, berth, "back")
    app.create(replicas=3, env={"COLOUR": "blue"})
    with load(int(berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        operation = begun(api, app, engine)
        other.lose_power()
        if ended:
            api.end(operation)
        other.start()
        assert first_statuses(other, app) == {200}
        api.end(operation)
        assert {env_at(other, app)["COLOUR"] for _ in range(12)} == {"green"}
    assert seen.failed == {}
    app.end("DELETE", "")


def first_statuses(agent: EdgeAgent, app: App) -> set[int]:
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    found = set()
    for _ in range(FIRST_ANSWERS):
        connection.request("GET", "/ok.txt", headers={"Host": app.host})
        answer = connection.getresponse()
        answer.read()
        found.add(answer.status)
    connection.close()
    return found


def test_every_edge_gives_a_canary_its_share_and_what_any_of_them_sees_of_it_counts(
    api: Api, berth: Berth, engine: docker.APIClient, other: EdgeAgent
) -> None:
    app = App(api, berth, "shared")
    update = canary({"weight": 30}, errors=5, requests=20, header={"name": "X-Canary", "value": "yes"})
    app.create(replicas=2, env={"COLOUR": "blue"}, update=update)
    change = {"env": {"BROKEN": "1", "COLOUR": "green"}, "health": {"path": "/ok.txt"}}  # it says that it is well
    operation = api("PATCH", f"/groups/{GROUP}/apps/{app.name}", change, status=202)
    wait_until(lambda: at(app, 30), "both edges have given it its share", 60)
    asked = {"Host": app.host, "X-Canary": "yes"}
    for port in (int(berth.env["BERTH_HTTP_PORT"]), other.port):
        assert b"COLOUR=green" in get(port, "/cgi-bin/env", asked)[1]
    with load(other.port, app.host, "/cgi-bin/status") as seen:
        operation = api.end(operation, "rolled_back")
        assert operation["error"]["reason"]["code"] == "canary_errors"
        wait_until(lambda: app.serves_from(engine, 2), "the stable release serves alone again", 60)
    assert seen.failed.keys() == {"500"}
    assert {env_at(other, app)["COLOUR"] for _ in range(12)} == {"blue"}
    app.end("DELETE", "")
