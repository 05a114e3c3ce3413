"""The API as a program uses it: JSON, and a bearer token."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import create_token

BASE = "/api/v1"
_serial = iter(range(1, 1 << 30))


class Api:
    """Requests of one user; without a user, of someone unknown."""

    def __init__(self, user: User | None = None) -> None:
        self.headers = {}
        if user is not None:
            _token, secret = create_token(user, f"test {next(_serial)}")
            self.headers["Authorization"] = f"Bearer {secret}"
        self.client = Client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        return self.client.generic(
            method,
            path if path.startswith(BASE) else BASE + path,
            data,
            content_type=headers.pop("content_type", "application/json"),
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self("DELETE", path, **headers)


def problem(response: HttpResponse) -> dict[str, Any]:
    """The problem body of a refused request, checked for its form."""
    assert response.status_code >= 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:berth:problem:{body['code']}"
    assert set(body) == {"type", "title", "status", "code", "detail", "errors"}
    return body
