"""An app under load, as a patient script changes it: the panel may be away for a while, and nothing is asked twice."""

from __future__ import annotations

import http.client
import time
from datetime import datetime
from typing import Any

from tests.flows.api import GOING, Api

PATIENCE = 180.0  # seconds that an operation may take, and that the panel may be away
ANY = ""  # any end of an operation
LOOK = 0.1  # seconds between two tries


class App:
    def __init__(self, api: Api, group: str, name: str) -> None:
        self.api, self.name, self.path = api, name, f"/groups/{group}/apps/{name}"
        self._operations = f"/groups/{group}/apps"

    def create(self, **spec: Any) -> dict[str, Any]:
        return self.end(self.api("POST", self._operations, {"name": self.name, **spec}, status=202))

    def delete(self) -> None:
        self.end(self.api("DELETE", self.path))

    def begin(self, method: str, what: str, body: object) -> dict[str, Any]:
        """Ask for a change; its operation."""
        return dict(self.api(method, f"{self.path}{what}", body, status=202))

    def end(self, operation: dict[str, Any], status: str = "succeeded") -> dict[str, Any]:
        """The operation once it has ended, in this way or `ANY`."""
        give_up = time.monotonic() + PATIENCE
        while operation["status"] in GOING and time.monotonic() < give_up:
            operation = self.ask(f"/operations/{operation['id']}?wait=30")
        assert operation["status"] == status or (status == ANY and operation["status"] not in GOING), operation
        return operation

    def ask(self, path: str) -> Any:
        """What the API answers, once it does."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                return self.api("GET", path)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > give_up:
                    raise
                time.sleep(LOOK)

    def release(self) -> int:
        return int(self.ask(self.path)["release"])

    def drained(self) -> dict[str, float]:
        """When each instance began to drain (seconds since the epoch), by its hostname."""
        return self._events("instance.draining")

    def made_since(self, began: float) -> set[str]:
        """The hostnames of all instances that were made since then (seconds since the epoch)."""
        return {name for name, at in self._events("instance.assigned").items() if at >= began}

    def _events(self, kind: str) -> dict[str, float]:
        """When it befell which instance, by hostname."""
        found = {}
        for event in self.api.all(f"/events?app={self.name}&kind={kind}&limit=200"):
            of = event["params"]
            found[f"{self.name}-{of['slot']}-{of['generation']}"] = datetime.fromisoformat(event["at"]).timestamp()
        return found
