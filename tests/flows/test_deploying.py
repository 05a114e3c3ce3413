"""What a user does with an app, through the API and the edge, on real parts; and what befalls it meanwhile."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from scheduler.engine.base import Labels
from tests.flows.api import Api
from tests.flows.app import GROUP, HEALTH, SMALL, App
from tests.flows.installation import Berth
from tests.flows.load import load
from tests.images import build_image
from tests.services import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def app(api: Api, berth: Berth, request: pytest.FixtureRequest) -> Iterator[App]:
    """A healthy app of two instances, deleted afterwards."""
    made = App(api, berth, "web")
    made.create(replicas=2)
    yield made
    made.end("DELETE", "")


def test_a_deployed_app_answers_through_the_edge_and_its_operation_tells_the_steps(app: App) -> None:
    assert app.asks() == (200, "ok\n")
    operation = app.api("GET", f"/operations?app={app.name}")["items"][0]
    assert [(step["name"], step["status"]) for step in operation["steps"]] == [
        ("place", "done"), ("start", "done"), ("health", "done"), ("retire", "done"),
    ]  # fmt: skip
    assert len({app.env()["hostname"] for _ in range(8)}) == 2


def test_every_change_is_a_release_of_its_own_and_none_fails_a_request(app: App, engine: docker.APIClient) -> None:
    with load(int(app.berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        app.end("PATCH", "", {"env": {"GREETING": "$(id) `id` ${HOME}"}})
        assert app.env()["GREETING"] == "$(id) `id` ${HOME}"
        app.end("POST", "/scale", {"replicas": 4})
        wait_until(lambda: app.serves_from(engine, 4), "4 are there and healthy", 20)
        app.end("PATCH", "", {"resources": {"memory": "24MiB"}})
        assert {engine.inspect_container(one)["HostConfig"]["Memory"] for one in app.containers(engine)} == {24 << 20}
        app.end("POST", "/scale", {"replicas": 1})
        app.end("POST", "/restart", {})
        app.end("POST", "/rollback", {"release": 1})
        assert "GREETING" not in app.env()
        wait_until(lambda: app.serves_from(engine, 2), "2 are there and healthy", 20)
    assert [release["made_from"] for release in app.get("/releases")["items"]] == [1, None, None, None, None, None]
    assert seen.answered > 100
    assert seen.failed == {}


def test_another_image_replaces_the_instances_by_its_digest(app: App, engine: docker.APIClient) -> None:
    registry = f"127.0.0.1:{app.berth.env['BERTH_REGISTRY_PORT']}"
    build_image(f"{registry}/team/other:2", {"www/ok.txt": "other\n"}, ("httpd", "-f", "-p", "8080", "-h", "/www"))
    engine.push(f"{registry}/team/other:2")
    engine.remove_image(f"{registry}/team/other:2")  # it has to come from the registry
    app.end("PATCH", "", {"image": f"{registry}/team/other:2", "health": {"path": "/ok.txt"}})
    assert app.asks("/ok.txt") == (200, "other\n")
    assert re.fullmatch(rf"{registry}/team/other@sha256:[0-9a-f]{{64}}", app.get()["digest"])


def test_a_stopped_app_gives_everything_back_and_starts_again(app: App, engine: docker.APIClient) -> None:
    before = app.api("GET", "/nodes")["items"][0]["reserved"]
    app.end("POST", "/stop", {})
    assert app.containers(engine) == {}
    assert app.asks()[0] == 503
    assert app.api("GET", "/nodes")["items"][0]["reserved"] != before
    app.end("POST", "/start", {})
    assert app.asks()[0] == 200


def test_a_release_that_answers_500_is_taken_back_with_evidence_while_the_old_one_serves(
    app: App, engine: docker.APIClient
) -> None:
    before = app.containers(engine).keys()
    with load(int(app.berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        operation = app.end("PATCH", "", {"env": {"BROKEN": "1"}}, status="rolled_back")
        wait_until(lambda: app.serves_from(engine, 2), "the old release serves alone again", 30)
    assert operation["error"]["step"] == "health"
    assert "500" in str(operation["error"]["probes"])
    assert "serves on port 8080" in operation["error"]["logs"]
    assert app.containers(engine).keys() == before
    assert seen.failed == {}


@pytest.mark.parametrize("change", [{"health": {"path": "/nowhere"}}, {"port": 9}], ids=["path", "port"])
def test_a_wrong_health_path_or_port_is_taken_back_and_fails_no_request(
    app: App, engine: docker.APIClient, change: dict[str, Any]
) -> None:
    before = app.containers(engine).keys()
    with load(int(app.berth.env["BERTH_HTTP_PORT"]), app.host) as seen:
        operation = app.end("PATCH", "", change, status="rolled_back")
        wait_until(lambda: app.serves_from(engine, 2), "the old release serves alone again", 30)
    assert operation["error"]["step"] == "health"
    assert app.containers(engine).keys() == before
    assert seen.failed == {}


def test_a_first_release_that_never_gets_healthy_fails(api: Api, berth: Berth) -> None:
    broken = App(api, berth, "broken")
    operation = api("POST", f"/groups/{GROUP}/apps", spec_of(broken, env={"BROKEN": "1"}), status=202)
    assert api.end(operation, "failed")["error"]["step"] == "health"
    assert broken.asks()[0] == 503
    broken.end("DELETE", "")
    wait_until(lambda: broken.asks()[0] == 404, "the edge knows nothing of it any more")


def spec_of(app: App, **spec: Any) -> dict[str, Any]:
    return {"name": app.name, "image": app.image, "resources": SMALL, "health": HEALTH,
            "routes": [{"host": app.host}], **spec}  # fmt: skip


def test_an_instance_that_starts_to_answer_500_leaves_the_rotation_and_is_replaced(
    app: App, engine: docker.APIClient
) -> None:
    sick = next(iter(app.containers(engine)))
    run(engine, sick, "touch", "/tmp/broken")  # noqa: S108 - in the container
    wait_until(lambda: sick not in app.containers(engine) and app.serves_from(engine, 2), "it was replaced", 40)
    assert {app.asks()[0] for _ in range(10)} == {200}
    assert any("500" in event["message"] for event in app.events("instance.failed"))


def run(engine: docker.APIClient, container: str, *command: str) -> None:
    engine.exec_start(engine.exec_create(container, list(command))["Id"])


HARMS: dict[str, Callable[[docker.APIClient, str], None]] = {
    "removed": lambda engine, victim: engine.remove_container(victim, force=True),
    "stopped": lambda engine, victim: engine.stop(victim, timeout=0),
    "paused": lambda engine, victim: engine.pause(victim),
    "given other limits": lambda engine, victim: engine.update_container(victim, mem_limit="32m", memswap_limit="32m"),
    "disconnected": lambda engine, victim: engine.disconnect_container_from_network(
        victim, next(iter(engine.inspect_container(victim)["NetworkSettings"]["Networks"]))
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_container_that_is_harmed_behind_berths_back_is_put_right_and_that_is_said(
    app: App, engine: docker.APIClient, harm: str
) -> None:
    victim = next(iter(app.containers(engine)))
    HARMS[harm](engine, victim)
    wait_until(lambda: victim not in app.containers(engine) and app.serves_from(engine, 2), f"{harm}: put right", 40)
    told = [event for event in app.api("GET", f"/events?app={app.name}")["items"] if event["reason"]]
    # one that is removed by force is first seen to end
    expected = {"removed": {"missing", "exited"}, "stopped": {"exited"}}.get(harm, {"drifted"})
    assert expected & {event["reason"]["code"] for event in told}


def test_a_process_that_crashes_is_brought_back_by_its_engine(app: App, engine: docker.APIClient) -> None:
    app.end("PATCH", "", {"health": {**HEALTH, "failures": 20}})  # patience for a machine that is busy with others
    before = app.containers(engine).keys()
    victim = next(iter(before))
    os.kill(engine.inspect_container(victim)["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: any(i["restarts"] for i in app.instances()), "the crash was seen", 30)
    wait_until(lambda: app.serves_from(engine, 2), "both are healthy", 30)
    assert app.containers(engine).keys() == before


def test_with_the_observer_stopped_the_sweep_puts_things_right(app: App, engine: docker.APIClient) -> None:
    observer = app.berth.process("observer").pid
    os.kill(observer, signal.SIGSTOP)
    try:
        victim = next(iter(app.containers(engine)))
        engine.remove_container(victim, force=True)
        wait_until(lambda: app.serves_from(engine, 2), "it was replaced", 60)
        app.end("PATCH", "", {"env": {"A": "1"}})
    finally:
        os.kill(observer, signal.SIGCONT)


def test_an_orphan_is_removed_and_what_is_not_berths_is_left(
    app: App, engine: docker.APIClient, foreign: dict[str, str]
) -> None:
    model = engine.inspect_container(next(iter(app.containers(engine))))
    labels = {**model["Config"]["Labels"], f"{Labels.PREFIX}generation": "99999"}
    orphan = engine.create_container(model["Image"], labels=labels, name=f"{model['Name'][1:]}9")["Id"]
    engine.start(orphan)
    wait_until(lambda: orphan not in app.containers(engine), "the orphan is gone", 30)
    wait_until(lambda: app.events("orphan.removed"), "it is told", 10)
    assert engine.inspect_container(foreign["container"])["State"]["Running"]
    wait_until(lambda: app.serves_from(engine, 2), "2 are there and healthy", 20)


def test_an_app_that_fits_no_node_says_why_and_goes_on_when_there_is_room(api: Api, berth: Berth, app: App) -> None:
    node = api("GET", "/nodes")["items"][0]
    waiting = App(api, berth, "waiting")
    spec = spec_of(waiting, placement={"require": ["disk == ssd"]})
    operation = api("POST", f"/groups/{GROUP}/apps", spec, status=202)
    wait_until(lambda: waiting.get()["explanation"], "it says why it waits")
    found = waiting.get()
    assert found["status"] == "pending"
    assert "disk == ssd" in str(found["explanation"])
    assert node["name"] in str(found["explanation"])
    api("PATCH", f"/nodes/{node['name']}", {"labels": {"disk": "ssd"}})
    api.end(operation)
    assert waiting.asks()[0] == 200
    waiting.end("DELETE", "")
    api("PATCH", f"/nodes/{node['name']}", {"labels": {}})


def test_a_worker_that_is_killed_during_deploys_leaves_no_orphan_and_no_duplicate(
    app: App, engine: docker.APIClient
) -> None:
    for number in range(4):
        before = app.berth.process("worker")
        operation = app.api("PATCH", f"/groups/{GROUP}/apps/{app.name}", {"env": {"N": str(number)}, "replicas": 3})
        created = app.containers(engine).keys()
        wait_until(lambda known=created: app.containers(engine).keys() - known, "the deploy is under way", 30)
        before.kill()
        app.api.end(operation)
        wait_until(lambda: app.serves_from(engine, 3), "as wanted, with nothing besides", 30)
        names = [each["Names"][0] for each in app.containers(engine).values()]
        assert len(set(names)) == 3
        assert app.env()["N"] == str(number)
