"""What the API refuses: each with an error that names the field, and nothing has changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apps.applications.models import App, Release, Route
from apps.events.models import Event
from apps.groups.models import Group, Membership
from apps.nodes.models import Node
from apps.operations.models import Operation
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

SPEC = {"name": "web", "image": IMAGE, "routes": [{"host": "web.test"}]}
MIB = 1 << 20


def route(host: Any, path: Any = "/") -> dict[str, Any]:
    return {"routes": [{"host": host, "path": path}]}


# what is sent, the field that is to blame, the code
SPECS: list[tuple[dict[str, Any], str, str]] = [
    # names
    *(({"name": name}, "name", "invalid_name") for name in ("Web", "1web", "web-", "-web", "w" * 41, "w_b", "w b", 7)),
    *(({"name": name}, "name", "invalid_name") for name in ("web\n", "wéb", "web\u0000")),
    ({"name": ""}, "name", "invalid_name"),
    ({"name": None}, "name", "required"),
    ({"name": "localhost"}, "name", "reserved_name"),
    ({"name": "new"}, "name", "reserved_name"),
    # images
    ({"image": None}, "image", "required"),
    ({"image": "registry.test/nothing:1"}, "image", "image_refused"),
    *(
        ({"image": image}, "image", "invalid_image")
        for image in (
            "", " web", "we b", "-web", "web:", "Web:1", "web@sha256:12", "web;ls", "web\n", "$(web)", "../web",
        )
    ),
    ({"image": 7}, "image", "invalid_type"),
    ({"image": "w" * 256}, "image", "too_long"),
    # ports and protocols
    *(({"port": port}, "port", "out_of_range") for port in (0, 65536, -1, 10**30)),
    *(({"port": port}, "port", "invalid_type") for port in ("80", 80.5, True, [80])),
    ({"protocol": "udp"}, "protocol", "invalid_choice"),
    ({"protocol": "tcp"}, "routes", "not_http"),
    # how many, how much
    *(({"replicas": count}, "replicas", "out_of_range") for count in (0, -1, 1001, 10**20)),
    ({"replicas": "3"}, "replicas", "invalid_type"),
    *(({"resources": {"cpu": cpu}}, "resources.cpu", "out_of_range") for cpu in (0, -1, 0.001, 1025, "1m", "-1", 1e99)),
    *(({"resources": {"cpu": cpu}}, "resources.cpu", "invalid_quantity") for cpu in ("much", "1e3", True, "")),
    *(
        ({"resources": {"memory": memory}}, "resources.memory", "out_of_range")
        for memory in (0, -1, 5 * MIB, "65TiB", "1KiB", "-1MiB", 26 * "9", 1e30)
    ),
    *(({"resources": {"memory": m}}, "resources.memory", "invalid_quantity") for m in ("1 cup", 1.5, [], "")),
    ({"resources": {"disk": -1}}, "resources.disk", "out_of_range"),
    ({"resources": []}, "resources", "invalid_type"),
    ({"resources": {"cpu": 9, "memory": "9GiB"}}, "resources.cpu", "over_quota"),
    ({"resources": {"cpu": 0.01, "memory": "9GiB"}}, "resources.memory", "over_quota"),
    ({"resources": {"cpu": 0.01, "memory": "6MiB", "disk": "9GiB"}}, "resources.disk", "over_quota"),
    ({"resources": {"cpu": 0.01, "memory": "6MiB"}, "replicas": 41}, "replicas", "over_quota"),
    # unknown fields, at every level
    ({"volumes": []}, "volumes", "unknown_field"),
    ({"privileged": True}, "privileged", "unknown_field"),
    ({"mounts": []}, "mounts", "unknown_field"),
    ({"resources": {"gpu": 1}}, "resources.gpu", "unknown_field"),
    ({"health": {"url": "/"}}, "health.url", "unknown_field"),
    ({"routes": [{"host": "web.test", "tls": True}]}, "routes[0].tls", "unknown_field"),
    ({"placement": {"node": "n1"}}, "placement.node", "unknown_field"),
    ({"placement": {"prefer": [{"weight": 1, "tolerations": []}]}}, "placement.prefer[0].tolerations", "unknown_field"),
    ({"update": {"colour": 1}}, "update.colour", "unknown_field"),
    # the environment
    ({"env": {"A=B": "x"}}, "env.A=B", "invalid_name"),
    ({"env": {"A\u0000": "x"}}, "env.A\u0000", "invalid_name"),
    ({"env": {"": "x"}}, "env.", "invalid_name"),
    ({"env": {"1A": "x"}}, "env.1A", "invalid_name"),
    ({"env": {"A": "x\u0000y"}}, "env.A", "invalid_text"),
    ({"env": {"A": "\ud800"}}, "env.A", "invalid_text"),
    ({"env": {"A": 1}}, "env.A", "invalid_type"),
    ({"env": {"A": {"B": "C"}}}, "env.A", "invalid_type"),
    ({"env": {"A": "********"}}, "env.A", "masked"),
    ({"env": {"A": "x" * 32769}}, "env.A", "too_long"),
    ({"env": {f"A{n}": "x" * 32000 for n in range(9)}}, "env", "too_large"),
    ({"env": ["A=B"]}, "env", "invalid_type"),
    # commands
    ({"command": "sh -c ls"}, "command", "invalid_list"),
    ({"command": ["sh", 1]}, "command", "invalid_type"),
    ({"command": ["a\u0000"]}, "command", "invalid_text"),
    # routes
    *(
        (route(host), "routes[0].host", "invalid_host")
        for host in (
            "we b.test", "web\n.test", "web.test\n", "*.web.test", "web..test", ".web.test", "web.test:80", "-web.test",
            "web_1.test", "10.96.0.999", "1.2.3", "0x7f.1", "web.0x7f", "web.test..",
            "w" * 64 + ".test", "a." * 127 + "test", "web.test/x", "", "[::1]", "ⓦ..test",
            "web.test;", "web\r\nHost: x",
        )
    ),
    *((route(host), "routes[0].host", "reserved_host") for host in ("localhost", "LocalHost.", "127.0.0.1")),
    (route(7), "routes[0].host", "invalid_type"),
    ({"routes": [{}]}, "routes[0].host", "required"),
    ({"routes": ["web.test"]}, "routes[0]", "invalid_type"),
    ({"routes": "web.test"}, "routes", "invalid_list"),
    ({"routes": [{"host": f"w{n}.test"} for n in range(65)]}, "routes", "invalid_list"),
    ({"routes": [{"host": "web.test"}, {"host": "WEB.test."}]}, "routes[1]", "duplicate"),
    ({"routes": [{"host": "bücher.test"}, {"host": "xn--bcher-kva.test"}]}, "routes[1]", "duplicate"),
    (route("taken.test"), "routes[0]", "route_taken"),
    (route("Taken.TEST."), "routes[0]", "route_taken"),
    *(
        (route("web.test", path), "routes[0].path", "invalid_path")
        for path in (
            "web", "/a b", "/a\n", "/a;b", "/a/../b", "/./a", "/a//b", "/a?b", "/a#b", '/"', "/é", "/%zz", "/a%2", "/%",
        )
    ),
    # health
    *(
        ({"health": {"path": path}}, "health.path", "invalid_path")
        for path in (
            "health", "", "/a b", "/a\n", "/a\r\nHost: x", "/a;b", "/\"", "/a'b", "/a\\b", "/a#b", "/é", "/%g0",
        )
    ),
    ({"health": {"interval": "2"}}, "health.interval", "invalid_quantity"),
    ({"health": {"interval": 0}}, "health.interval", "out_of_range"),
    ({"health": {"timeout": "-1s"}}, "health.timeout", "out_of_range"),
    ({"health": {"grace": "2h"}}, "health.grace", "out_of_range"),
    ({"health": {"failures": 0}}, "health.failures", "out_of_range"),
    ({"health": {"command": [1]}}, "health.command", "invalid_type"),
    # placement and update
    ({"placement": {"require": ["disk is ssd"]}}, "placement.require", "invalid_expression"),
    ({"placement": {"prefer": "zone == a"}}, "placement.prefer", "invalid_list"),
    ({"placement": {"spread": ["a b"]}}, "placement.spread", "invalid_label"),
    ({"placement": {"distinct_nodes": "always"}}, "placement.distinct_nodes", "invalid_choice"),
    ({"placement": {"prefer": ["zone is a"]}}, "placement.prefer[0]", "invalid_expression"),
    ({"placement": {"prefer": [7]}}, "placement.prefer[0]", "invalid_type"),
    ({"placement": {"prefer": [{"weight": 3}]}}, "placement.prefer[0].require", "required"),
    ({"placement": {"prefer": [{"weight": 0, "nodes": ["n1"]}]}}, "placement.prefer[0].weight", "out_of_range"),
    ({"placement": {"prefer": [{"affinity": [{"app": "D"}]}]}}, "placement.prefer[0].affinity[0].app", "invalid_name"),
    ({"placement": {"nodes": ["N1"]}}, "placement.nodes", "invalid_name"),
    ({"placement": {"nodes": [f"n{n}" for n in range(101)]}}, "placement.nodes", "invalid_list"),
    ({"placement": {"tolerations": ["gpu"]}}, "placement.tolerations[0]", "invalid_type"),
    ({"placement": {"tolerations": [{"value": "a"}]}}, "placement.tolerations[0].key", "required"),
    ({"placement": {"tolerations": [{"key": "a b"}]}}, "placement.tolerations[0].key", "invalid_label"),
    ({"placement": {"tolerations": [{"key": "a", "value": "*"}]}}, "placement.tolerations[0].value", "invalid_label"),
    ({"placement": {"max_skew": {"zone": 1}}}, "placement.max_skew", "invalid_list"),
    ({"placement": {"max_skew": [{"label": "zone"}]}}, "placement.max_skew[0].most", "required"),
    ({"placement": {"max_skew": [{"label": "zone", "most": 0}]}}, "placement.max_skew[0].most", "out_of_range"),
    ({"placement": {"max_skew": [{"label": "z", "most": 1}] * 2}}, "placement.max_skew[1].label", "duplicate"),
    ({"placement": {"at_most": [{"label": "", "most": 1}]}}, "placement.at_most[0].label", "invalid_label"),
    ({"placement": {"at_most": [{"label": "node", "most": "1"}]}}, "placement.at_most[0].most", "invalid_type"),
    ({"placement": {"affinity": [{"label": "zone"}]}}, "placement.affinity[0].app", "required"),
    ({"placement": {"affinity": [{"app": "other/web"}]}}, "placement.affinity[0].app", "invalid_name"),
    ({"placement": {"anti_affinity": [{"app": "db", "at": "z"}]}}, "placement.anti_affinity[0].at", "unknown_field"),
    ({"priority": "High"}, "priority", "invalid_name"),
    ({"priority": 7}, "priority", "invalid_name"),
    ({"priority": "unknown"}, "priority", "unknown_priority"),
    ({"update": {"max_surge": 0}}, "update.max_surge", "no_room"),
    ({"update": {"max_unavailable": -1}}, "update.max_unavailable", "out_of_range"),
    ({"update": {"on_failure": "panic"}}, "update.on_failure", "invalid_choice"),
    ({"update": {"deadline": "25h"}}, "update.deadline", "out_of_range"),
]  # fmt: skip


@pytest.fixture
def api(people: SimpleNamespace, group: Group, other: Group, engine: FakeEngine) -> Api:
    taken = {"name": "taken", "image": IMAGE, "routes": [{"host": "taken.test"}]}
    assert Api(people.outsider).post("/groups/other/apps", taken).status_code == 202
    return Api(people.developer)


def everything() -> list[Any]:
    models = (Group, Membership, App, Release, Route, Operation, Event, Node)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.parametrize(("sent", "field", "code"), SPECS)
def test_a_wrong_spec_is_refused_and_nothing_is_made(api: Api, sent: dict[str, Any], field: str, code: str) -> None:
    before = everything()
    refused = problem(api.post("/groups/shop/apps", {**SPEC, **sent}))
    assert (field, code) in [(error["field"], error["code"]) for error in refused["errors"]]
    assert everything() == before


@pytest.mark.parametrize(("sent", "field", "code"), SPECS)
def test_a_wrong_change_is_refused_and_the_app_stays_as_it_is(
    api: Api, sent: dict[str, Any], field: str, code: str
) -> None:
    api.post("/groups/shop/apps", SPEC)
    before = everything()
    refused = problem(api.patch("/groups/shop/apps/web", sent))
    assert (field, code) in [(error["field"], error["code"]) for error in refused["errors"]]
    assert everything() == before


def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    wrong = {"name": "W", "image": "-", "port": 0, "env": {"=": "x"}, "routes": [{"host": "*"}], "typo": 1}
    fields = [error["field"] for error in problem(api.post("/groups/shop/apps", wrong))["errors"]]
    assert sorted(fields) == ["env.=", "image", "name", "port", "routes[0].host", "typo"]


def test_an_app_keeps_its_name(api: Api) -> None:
    api.post("/groups/shop/apps", SPEC)
    refused = problem(api.patch("/groups/shop/apps/web", {"name": "other"}))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("name", "immutable")]


def test_over_quota_says_which_figures_and_by_how_much(api: Api) -> None:
    wanted = {**SPEC, "replicas": 3, "resources": {"cpu": 3, "memory": "3GiB"}}
    refused = problem(api.post("/groups/shop/apps", wanted))
    assert refused["status"] == 409
    assert refused["detail"] == "Over the quota of the group: CPU by 1 (quota 8), memory by 1 GiB (quota 8 GiB)."


# method, path, body, field, code; sent by an admin
OTHERS: list[tuple[str, str, Any, str, str]] = [
    ("POST", "/groups", {"name": "Shop", "quota": {"cpu": 1, "memory": 1, "instances": 1}}, "name", "invalid_name"),
    ("POST", "/groups", {"name": "berth", "quota": {"cpu": 1, "memory": 1, "instances": 1}}, "name", "reserved_name"),
    ("POST", "/groups", {"name": "new-one"}, "quota", "required"),
    ("POST", "/groups", {"name": "x", "quota": {"cpu": -1, "memory": 1, "instances": 1}}, "quota.cpu", "out_of_range"),
    ("POST", "/groups", {"name": "x", "quota": {"cpu": 1, "memory": "?", "instances": 1}}, "quota.memory",
     "invalid_quantity"),
    ("POST", "/groups", {"name": "x", "quota": {"cpu": 1, "memory": 1, "instances": 1, "gpu": 1}}, "quota.gpu",
     "unknown_field"),
    ("PUT", "/groups/shop/quota", {"cpu": 1, "memory": 1}, "instances", "required"),
    ("PUT", "/groups/shop/quota", {"cpu": 1, "memory": 1, "disk": 1 << 70, "instances": 1}, "disk", "out_of_range"),
    ("PUT", "/groups/shop/members/owner", {"role": "king"}, "role", "invalid_choice"),
    ("PUT", "/groups/shop/members/nobody", {"role": "viewer"}, "username", "unknown_user"),
    ("POST", "/nodes", {"name": "N", "engine_url": "unix:///x"}, "name", "invalid_name"),
    *(
        ("POST", "/nodes", {"name": "n2", "engine_url": url}, "engine_url", "invalid_url")
        for url in ("x", "ssh://x", "unix://", "tcp://", "tcp://a:99999", "tcp://[", "unix:///a b")
    ),
    ("POST", "/nodes", {"name": "n2", "engine_url": "tcp://a:1", "labels": {"a b": "c"}}, "labels.a b",
     "invalid_label"),
    ("POST", "/nodes", {"name": "n2", "engine_url": "tcp://a:1", "labels": {"node": "c"}}, "labels.node",
     "invalid_label"),
    ("PATCH", "/nodes/n1", {"system": {"cpu": -1, "memory": 0, "disk": 0}}, "system.cpu", "out_of_range"),
    ("PATCH", "/nodes/n1", {"cordoned": "perhaps"}, "cordoned", "invalid_type"),
    ("POST", "/tokens", {"name": ""}, "name", "required"),
    ("POST", "/tokens", {"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at", "in_the_past"),
    ("POST", "/tokens", {"name": "x", "expires_at": "tomorrow"}, "expires_at", "invalid_time"),
    ("POST", "/users", {"username": "a b"}, "username", "invalid_name"),
    ("POST", "/users", {"username": "new", "password": "short"}, "password", "password_too_short"),
    ("POST", "/users", {"username": "new", "email": "x"}, "email", "invalid_email"),
    ("PATCH", "/users/owner", {"active": "perhaps"}, "active", "invalid_type"),
    ("PATCH", "/users/owner", {"password": "short"}, "password", "password_too_short"),
    ("POST", "/groups/shop/apps/web/scale", {}, "replicas", "required"),
    ("POST", "/groups/shop/apps/web/scale", {"replicas": 0}, "replicas", "out_of_range"),
    ("POST", "/groups/shop/apps/web/rollback", {"release": 9}, "release", "unknown_release"),
    ("POST", "/groups/shop/apps/web/restart", {"hard": True}, "hard", "unknown_field"),
    ("GET", "/groups?limit=0", None, "limit", "out_of_range"),
    ("GET", "/groups?limit=x", None, "limit", "invalid_type"),
    ("GET", "/groups?cursor=x", None, "cursor", "invalid"),
    ("GET", "/groups?limit=1e9", None, "limit", "invalid_type"),
    ("GET", "/operations?foo=1", None, "foo", "unknown_parameter"),
    ("GET", "/operations?next=xx", None, "next", "unknown_parameter"),
    ("GET", "/operations?status=bogus", None, "status", "invalid_choice"),
    ("GET", "/operations?status=", None, "status", "invalid_choice"),
    ("GET", "/operations?kind=x", None, "kind", "invalid_choice"),
    ("GET", "/events?kind=x", None, "kind", "invalid_choice"),
    ("GET", "/groups/shop/apps/web/instances?gone=perhaps", None, "gone", "invalid_type"),
    ("GET", "/groups/shop/apps/web/traffic?window=1", None, "window", "out_of_range"),
    ("GET", "/events?operation=x", None, "operation", "invalid"),
    ("GET", "/events?group=%00", None, "group", "invalid_text"),
    ("DELETE", "/groups/shop?dry_run=perhaps", None, "dry_run", "invalid_type"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "field", "code"), OTHERS)
def test_any_other_wrong_request_is_refused_and_changes_nothing(
    api: Api, people: SimpleNamespace, method: str, path: str, body: Any, field: str, code: str
) -> None:
    api.post("/groups/shop/apps", SPEC)
    admin = Api(people.admin)
    before = everything()
    refused = problem(admin(method, path, body))
    assert refused["status"] == 422
    assert (field, code) in [(error["field"], error["code"]) for error in refused["errors"]]
    assert everything() == before


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("WEB.Example.Test", "web.example.test"),
        ("web.example.test.", "web.example.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER.test.", "xn--bcher-kva.test"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_hosts_are_brought_into_their_normal_form(api: Api, host: str, shown: str) -> None:
    api.post("/groups/shop/apps", {**SPEC, "routes": [{"host": host, "path": "/api/"}]})
    (route,) = api.get("/groups/shop/apps/web").json()["spec"]["routes"]
    assert (route["host"], route["path"]) == (shown, "/api")
