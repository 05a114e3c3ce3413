"""What is typed into the panel's forms about routes and rules is what a real HAProxy does."""

from __future__ import annotations

import base64
import http.client

from django.http import QueryDict

from apps.applications import http_spec
from apps.applications.edge_forms import RouteForm, RulesForm
from apps.applications.forms import defaults
from apps.applications.spec import Parsed, parse
from scheduler.discovery import AppConfig
from scheduler.model import Protocol
from tests.real.edge.conftest import CHECK, Bench, endpoint

HOST = "shop.test"
RULES = {
    "rate": "10000", "silence": "30s", "request_set": "X-Source: the edge\r\nX-Other: 100 % 'quoted'",
    "request_remove": "X-Debug", "response_set": "Strict-Transport-Security: max-age=31536000",
    "response_remove": "Server", "user_first": "ann", "user_second": "correct horse",
}  # fmt: skip
ROUTES = (
    {"host": HOST},
    {"host": HOST, "path": "/docs", "rewrite": "/"},
    {"host": HOST, "path": "/old", "redirect_path": "/new", "redirect_permanent": "on"},
    {"host": "Static.Test", "extensions": ".CSS\r\njs"},
)


def typed(fields: dict[str, str]) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update(fields)
    return data


def asked_for() -> AppConfig:
    """The forms' answers, taken by the spec as the panel's services do."""
    forms = [RouteForm(typed(route), spec={}) for route in ROUTES]
    rules = RulesForm(typed(RULES), spec={**defaults(), "protocol": "http"})
    assert all(form.is_valid() for form in (*forms, rules))
    changes = {**rules.changes(), "routes": [form.as_spec() for form in forms]}
    spec = parse(changes, Parsed("shop", {**defaults(), "image": "shop"}, {})).spec
    routes = tuple(http_spec.as_route(route) for route in spec["routes"])
    return AppConfig(Protocol.HTTP, 80, CHECK, routes, 2, http_spec.as_http(spec["http"]))


def ask(bench: Bench, path: str, host: str = HOST, user: str = "ann:correct horse") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", bench.agent.port, timeout=30)
    try:
        given = base64.b64encode(user.encode()).decode()
        connection.request("GET", path, headers={"Host": host, "Authorization": f"Basic {given}", "X-Debug": "1"})
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def test_what_is_typed_in_the_panel_is_what_the_edge_does(shared: Bench) -> None:
    server = shared.server("one")
    shared.applied(shared.publish("shop", asked_for(), endpoint("0-1", server)))
    shared.up("shop", "0-1")
    answer = ask(shared, "/docs/page")
    assert (answer.status, server.requests[-1]) == (200, "/page")
    assert (server.headers["X-Source"], server.headers["X-Other"]) == ("the edge", "100 % 'quoted'")
    assert "X-Debug" not in server.headers
    assert (answer.headers["Strict-Transport-Security"], answer.headers["Server"]) == ("max-age=31536000", None)
    assert ask(shared, "/", user="ann:another horse").status == 401
    answer = ask(shared, "/old/a?b=1")
    assert (answer.status, answer.headers["Location"]) == (308, f"http://{HOST}/new?b=1")
    assert [ask(shared, path, "static.test").status for path in ("/a.css", "/a.JS", "/a.html")] == [200, 200, 404]
