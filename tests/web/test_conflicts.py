"""Conflicts of the API name the field that would have to be different, where there is one."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps.groups.models import Group
from apps.nodes.models import Node
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

GROUP = {"name": "shop", "quota": {"cpu": 1, "memory": 1, "instances": 1}}
APP = {"name": "web", "image": IMAGE, "replicas": 2, "resources": {"memory": "64MiB"}, "routes": [{"host": "a.test"}]}

# the code, the fields it names, and the last of the requests that lead to it
CASES: list[tuple[str, list[str], str, str, Any]] = [
    ("group_exists", ["name"], "POST", "/groups", GROUP),
    ("app_exists", ["name"], "POST", "/groups/shop/apps", APP),
    (
        "over_quota",
        ["replicas", "resources.cpu", "resources.memory"],
        "PATCH",
        "/groups/shop/apps/web",
        {"replicas": 900},
    ),
    ("quota_below_reserved", ["memory", "instances"], "PUT", "/groups/shop/quota", {**GROUP["quota"], "cpu": 8}),
    ("last_owner", ["role"], "PUT", "/groups/shop/members/owner", {"role": "viewer"}),
    ("token_exists", ["name"], "POST", "/tokens", {"name": "ci"}),
    ("user_exists", ["username"], "POST", "/users", {"username": "owner"}),
    ("last_admin", ["admin"], "PATCH", "/users/admin", {"admin": False}),
    ("own_account", ["active"], "PATCH", "/users/admin", {"active": False}),
    ("node_exists", ["name"], "POST", "/nodes", {"name": "n1", "engine_url": "tcp://10.0.0.9:2375"}),
    ("engine_exists", ["engine_url"], "POST", "/nodes", {"name": "n2", "engine_url": "tcp://10.0.0.1:2375"}),
    ("priority_exists", ["name"], "POST", "/priorities", {"name": "business", "value": 1}),
    ("certificate_exists", ["name"], "POST", "/groups/shop/certificates", {"name": "tls", "hosts": ["a.test"]}),
    ("not_uploaded", ["certificate"], "PATCH", "/groups/shop/certificates/tls", {"certificate": "c", "key": "k"}),
    ("no_https", ["hosts"], "POST", "/groups/shop/certificates", {"name": "two", "hosts": ["a.test"]}),
]

# nothing in the request could be different to avoid these: it is about how things are
OF_NO_FIELD = {
    "app_deleting", "app_stopped", "busy", "group_has_apps", "idempotency_key_in_use", "last_owner",
    "own_account", "last_admin", "node_answers", "node_changed", "traffic_unavailable",
    "logs_unavailable", "no_subnet_left", "node_has_instances", "not_acme", "not_cancellable", "not_confirmed",
    "operation_ended", "no_canary", "canary_under_way", "priority_in_use", "route_changed", "too_many_certificates",
    "too_many_instances",
}  # fmt: skip


@pytest.mark.parametrize(("code", "fields", "method", "path", "body"), CASES)
def test_a_conflict_names_the_fields_that_it_is_about(
    people: SimpleNamespace, group: Group, engine: FakeEngine, settings: Any,
    code: str, fields: list[str], method: str, path: str, body: Any,
) -> None:  # fmt: skip
    api = Api(people.admin)
    api.post("/groups/shop/apps", APP)
    api.post("/tokens", {"name": "ci"})
    api.post("/priorities", {"name": "business", "value": 1})
    api.post("/groups/shop/certificates", {"name": "tls", "hosts": ["a.test"]})
    Node.objects.update(engine_url="tcp://10.0.0.1:2375")
    if code == "no_https":
        settings.BERTH = replace(settings.BERTH, https_port=0)
    refused = problem(api(method, path, body))
    assert (refused["status"], refused["code"]) == (409, code), refused
    assert sorted(error["field"] for error in refused["errors"]) == sorted(fields)
    assert all(error["code"] == code and error["message"] for error in refused["errors"])


def test_every_conflict_is_known_here() -> None:
    found: dict[str, set[str]] = {"conflict": set(), "Conflict": set()}
    for file in Path("apps").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in found:
                code = call.args[1]
                if isinstance(code, ast.Constant):
                    found[call.func.id].add(code.value)
    known = {code for code, *_rest in CASES}
    assert len(found["conflict"]) > 10
    assert found["conflict"] <= known
    assert found["Conflict"] <= OF_NO_FIELD | known
