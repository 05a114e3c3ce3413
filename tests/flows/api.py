"""The API as a script uses it: JSON in, JSON out, loud about anything but what was expected."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.flows.installation import Berth

GOING = ("pending", "running")


@dataclass(frozen=True)
class Api:
    port: int
    token: str

    @classmethod
    def of(cls, berth: Berth) -> Api:
        return cls(int(berth.env["BERTH_PORT"]), berth.run("token", "flows").strip())

    def __call__(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        """The answer's body; fails unless the status is `status`, or any success when none is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            content = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", content, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        wanted = answer.status == status if status else 200 <= answer.status < 300
        assert wanted, f"{method} {path}: {answer.status} {said.decode(errors='replace')}"
        return json.loads(said) if said else None

    def end(self, operation: dict[str, Any], status: str = "succeeded") -> dict[str, Any]:
        """The operation once it has ended, which has to be in this way."""
        for _ in range(5):
            if operation["status"] not in GOING:
                break
            operation = self("GET", f"/operations/{operation['id']}?wait=30")
        assert operation["status"] == status, json.dumps(operation, indent=2)
        return operation

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a listing."""
        items: list[dict[str, Any]] = []
        page = self("GET", path)
        while True:
            items += page["items"]
            if not page["next"]:
                return items
            page = self("GET", page["next"].partition("/api/v1")[2])
