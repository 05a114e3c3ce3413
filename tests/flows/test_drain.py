"""A node is drained, taken back and filled again, on two real engines and under load: no request may fail."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from scheduler.engine.base import network_name
from tests.flows.api import Api
from tests.flows.hosts import Host, copy_image, host, inside, plug
from tests.flows.installation import Berth, installation
from tests.flows.load import load
from tests.images import build_image
from tests.services import wait_until

pytestmark = pytest.mark.timeout(400)

IMAGE = "served:1"
SMALL = {"cpu": 0.05, "memory": "16MiB"}
HEALTH = {"path": "/ok.txt", "interval": "500ms", "grace": "30s"}
UPDATE = {"drain": "2s", "stop_timeout": "2s"}


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with host(f"berth-a-{os.getpid()}") as first, host(f"berth-b-{os.getpid()}") as second:
        files = {"/www/ok.txt": "ok\n"}
        build_image(IMAGE, files, ("httpd", "-f", "-p", "8080", "-h", "/www"), url=first.engine.url)
        copy_image(IMAGE, first, second)
        yield first, second


@pytest.fixture(scope="module")
def berth(hosts: tuple[Host, Host]) -> Iterator[Berth]:
    with inside(hosts[0]), installation(BERTH_ENGINE=hosts[0].engine.url) as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def api(berth: Berth, hosts: tuple[Host, Host]) -> Api:
    made = Api.of(berth)
    made("POST", "/groups", {"name": "team", "quota": {"cpu": 4, "memory": "1GiB", "disk": "8GiB", "instances": 40}})
    made.end(made("DELETE", "/groups/demo/apps/hello", status=202))  # its network is on the first host alone
    made("POST", "/nodes", {"name": "second", "engine_url": hosts[1].engine.url})
    wait_until(lambda: {node["state"] for node in made.all("/nodes")} == {"ready"}, "both nodes are ready", 30)
    return made


def where(api: Api, app: str) -> list[str]:
    """The nodes of the app's instances that are not gone."""
    rows = api.all(f"/groups/team/apps/{app}/instances")
    return sorted(row["node"] for row in rows if row["gone_at"] is None)


def test_a_drain_and_the_way_back_cost_no_request(api: Api, berth: Berth, hosts: tuple[Host, Host]) -> None:
    [first] = [node["name"] for node in api.all("/nodes") if node["name"] != "second"]
    app = {"name": "web", "image": IMAGE, "port": 8080, "replicas": 4, "resources": SMALL, "health": HEALTH}
    routes = [{"host": "web.example.test"}]
    operation = api("POST", "/groups/team/apps", {**app, "routes": routes, "update": UPDATE}, status=202)
    network = network_name(berth.secret("installation"), "team")
    for each in hosts:
        wait_until(lambda each=each: each.client.networks(names=[network]), f"the group's network on {each.name}", 30)
    plug(*hosts, network)
    api.end(operation)
    assert where(api, "web") == sorted([first, first, "second", "second"])

    with load(int(berth.env["BERTH_HTTP_PORT"]), "web.example.test") as seen:
        wait_until(lambda: seen.answered > 100, "the load is on")
        assert api("POST", "/nodes/second/drain", status=202)["left"] == 2
        wait_until(lambda: api("GET", "/nodes/second/drain")["drained_at"], "the node is empty", 90)
        assert where(api, "web") == [first] * 4
        assert hosts[1].client.containers(all=True) == []
        there = seen.answered
        wait_until(lambda: seen.answered > there + 100, "requests go on", 30)

        api("DELETE", "/nodes/second/drain", status=204)
        [move] = api("POST", "/placement/rebalance?dry_run=true")["moves"]
        assert (move["app"], move["source"], move["target"]) == ("team/web", first, "second")
        api("POST", "/placement/rebalance", status=202)
        wait_until(lambda: where(api, "web") == sorted([first] * 3 + ["second"]), "one has moved back", 60)
        there = seen.answered
        wait_until(lambda: seen.answered > there + 100, "requests go on", 30)
    assert seen.failed == {}
    api.end(api("DELETE", "/groups/team/apps/web", status=202))
