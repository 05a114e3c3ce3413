"""An app of a running Berth, through its API and its edge."""

from __future__ import annotations

from typing import Any

import docker

from scheduler.engine.base import Labels
from tests.flows.api import Api
from tests.flows.installation import Berth, get

GROUP = "team"
SMALL = {"cpu": 0.05, "memory": "16MiB"}
HEALTH = {"path": "/cgi-bin/status", "interval": "500ms", "failures": 2, "grace": "4s"}


class App:
    """One app as its user has it: by name, by host, by what the API says of it."""

    def __init__(self, api: Api, berth: Berth, name: str) -> None:
        self.api, self.berth, self.name = api, berth, name
        self.host = f"{name}.example.test"
        self.image = f"127.0.0.1:{berth.env['BERTH_REGISTRY_PORT']}/demo/hello:1"

    def create(self, **spec: Any) -> dict[str, Any]:
        usual = {
            "name": self.name,
            "image": self.image,
            "resources": SMALL,
            "health": HEALTH,
            "routes": [{"host": self.host}],
            "update": {"drain": "2s", "stop_timeout": "2s"},
        }
        operation = self.api("POST", f"/groups/{GROUP}/apps", {**usual, **spec}, status=202)
        return self.api.end(operation)

    def end(self, method: str, what: str, body: object = None, status: str = "succeeded") -> dict[str, Any]:
        """Ask for a change and wait until it has ended in this way."""
        return self.api.end(self.api(method, f"/groups/{GROUP}/apps/{self.name}{what}", body, status=202), status)

    def get(self, what: str = "") -> Any:
        return self.api("GET", f"/groups/{GROUP}/apps/{self.name}{what}")

    def instances(self) -> list[dict[str, Any]]:
        """Those that are not gone."""
        listed = self.api.all(f"/groups/{GROUP}/apps/{self.name}/instances")
        return [instance for instance in listed if instance["gone_at"] is None]

    def asks(self, path: str = "/cgi-bin/status") -> tuple[int, str]:
        status, body = get(int(self.berth.env["BERTH_HTTP_PORT"]), path, {"Host": self.host})
        return status, body.decode()

    def env(self) -> dict[str, str]:
        """The environment of whichever instance answers."""
        return dict(line.split("=", 1) for line in self.asks("/cgi-bin/env")[1].splitlines() if "=" in line)

    def containers(self, engine: docker.APIClient) -> dict[str, dict[str, Any]]:
        """Its containers by id, as the engine shows them."""
        labels = {
            "installation": self.berth.secret("installation"),
            "group": GROUP,
            "app": self.name,
        }
        listed = engine.containers(all=True, filters={"label": [f"{Labels.PREFIX}{k}={v}" for k, v in labels.items()]})
        return {each["Id"]: each for each in listed}

    def serves_from(self, engine: docker.APIClient, count: int) -> bool:
        """Whether just so many containers are there and all of them run and are healthy."""
        found = self.get()
        running = [each for each in self.containers(engine).values() if each["State"] == "running"]
        whole = found["status"] == "healthy" and found["healthy"] == found["present"] == count
        return whole and len(running) == len(self.containers(engine)) == count

    def events(self, kind: str) -> list[dict[str, Any]]:
        return self.api("GET", f"/events?app={self.name}&kind={kind}")["items"]
