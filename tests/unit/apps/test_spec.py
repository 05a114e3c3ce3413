"""Specs: what is read, what is kept, what changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.applications.secrets import MASK
from apps.applications.spec import Parsed, as_spec, parse, with_port
from apps.errors import Invalid
from scheduler.model import (
    Distinct,
    HealthCheck,
    OnFailure,
    PlacementRules,
    Resources,
    Route,
    Spec,
    StopSignal,
    Strategy,
    UpdatePolicy,
)
from scheduler.placement.values import Affinity, AtMost, Bond, Constraints, Preference, Skew, Toleration

DIGEST = "sha256:" + "0" * 64
LEAST = {"name": "web", "image": "registry.test/web:1"}
FULL = {
    "name": "web",
    "image": "registry.test/web:1",
    "command": ["httpd", "-f"],
    "env": {"KEY": "s3cret"},
    "port": 9000,
    "protocol": "http",
    "replicas": 3,
    "resources": {"cpu": "500m", "memory": 128 << 20, "disk": "1GiB"},
    "health": {
        "path": "/health?deep=1", "command": ["true"], "interval": "500ms", "timeout": 0.25, "failures": 5,
        "successes": 2, "grace": "1m",
    },
    "routes": [{"host": "Web.Test", "path": "/api/"}, {"host": "web.test"}],
    "placement": {
        "spread": ["zone"], "require": ["disk==ssd"], "distinct_nodes": "required",
        "prefer": [
            "zone in (a,b)", {"require": ["rack==r1"]}, {"weight": 5, "affinity": [{"app": "cache", "label": "zone"}]},
        ],
        "nodes": ["n1", "n2"], "tolerations": [{"key": "gpu"}, {"key": "team", "value": "shop"}],
        "max_skew": [{"label": "zone", "most": 2}], "at_most": [{"label": "node", "most": 1}],
        "affinity": [{"app": "db"}], "anti_affinity": [{"app": "batch", "label": "rack"}],
    },
    "priority": "business",
    "update": {
        "max_surge": 2, "max_unavailable": 1, "on_failure": "hold", "deadline": "10m", "drain": 5, "stop_timeout": "3s",
        "stop_signal": "SIGINT",
    },
}  # fmt: skip

# Anything that JSON can say, biased towards the names of the spec
NAMES = st.sampled_from(
    [
        "name",
        "image",
        "env",
        "port",
        "routes",
        "host",
        "path",
        "redirect",
        "http",
        "users",
        "health",
        "cpu",
        "memory",
        "placement",
        "prefer",
        "weight",
        "affinity",
        "app",
        "label",
        "most",
        "max_skew",
        "tolerations",
        "key",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from([MASK, "web"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ODD = st.dictionaries(st.sampled_from([*FULL, "http", "expose", "typo"]), VALUES, max_size=6)


def test_a_full_spec_is_read_field_by_field() -> None:
    parsed = parse(FULL)
    assert parsed.env == {"KEY": "s3cret"}
    assert as_spec(parsed.spec, DIGEST) == Spec(
        image="registry.test/web:1",
        digest=DIGEST,
        command=("httpd", "-f"),
        port=9000,
        replicas=3,
        resources=Resources(cpu=500, memory=128 << 20, disk=1 << 30, instances=1),
        health=HealthCheck("/health?deep=1", ("true",), 0.5, 0.25, 5, 2, 60.0),
        routes=(Route("web.test", "/api"), Route("web.test", "/")),
        placement=PlacementRules(("zone",), ("disk == ssd",), ("zone in (a, b)", "rack == r1"), Distinct.REQUIRED),
        constraints=Constraints(
            nodes=frozenset({"n1", "n2"}),
            tolerations=(Toleration("gpu"), Toleration("team", "shop")),
            skews=(Skew("zone", 2),),
            at_most=(AtMost("node", 1),),
            affinities=(Affinity(Bond.WITH, "db"), Affinity(Bond.APART, "batch", "rack")),
        ),
        preferences=(Preference(Constraints(affinities=(Affinity(Bond.WITH, "cache", "zone"),)), weight=5),),
        priority="business",
        update=UpdatePolicy(Strategy.ROLLING, 2, 1, OnFailure.HOLD, 600.0, 5.0, StopSignal.INT, 3.0),
    )


def test_what_is_left_out_is_as_the_loop_has_it() -> None:
    assert as_spec(with_port(parse(LEAST).spec, 8080), DIGEST) == Spec(image=LEAST["image"], digest=DIGEST)


def test_a_release_of_before_has_none_of_the_constraints_of_today() -> None:
    spec = with_port(parse(FULL).spec, None)
    old = {name: spec["placement"][name] for name in ("spread", "require", "distinct_nodes")} | {"prefer": ["a == b"]}
    read = as_spec({**spec, "placement": old}, DIGEST)
    assert (read.constraints, read.preferences) == (None, ())


def test_what_is_asked_of_nodes_needs_no_other_container() -> None:
    spec = with_port(parse(FULL).spec, None)
    free = with_port(parse({**FULL, "placement": {}}).spec, None)
    assert as_spec(spec, DIGEST).template("") == as_spec(free, DIGEST).template("")


def test_a_container_is_made_for_its_stop_signal() -> None:
    spec = with_port(parse(LEAST).spec, 8080)
    old = {name: value for name, value in spec["update"].items() if name != "stop_signal"}
    other = with_port(parse({**LEAST, "update": {"stop_signal": "SIGQUIT"}}).spec, 8080)
    made_of = [as_spec(each, DIGEST).template("") for each in (spec, {**spec, "update": old}, other)]
    assert made_of[0] == made_of[1] != made_of[2]


def test_the_port_is_the_specs_own_then_the_images_then_the_usual_one() -> None:
    assert with_port(parse({**LEAST, "port": 1}).spec, 2)["port"] == 1
    assert with_port(parse(LEAST).spec, 2)["port"] == 2
    assert with_port(parse(LEAST).spec, None)["port"] == 8080


def test_a_tcp_app_is_probed_by_a_connection() -> None:
    assert parse({**LEAST, "protocol": "tcp"}).spec["health"]["path"] is None
    assert parse({**LEAST, "health": {"path": None}}).spec["health"]["path"] is None
    assert parse(LEAST).spec["health"]["path"] == "/"


def test_null_means_the_default_everywhere_else() -> None:
    nothing = {name: None for name in FULL if name not in ("name", "image")}
    assert parse({**LEAST, **nothing}) == parse(LEAST)
    inner = {name: dict.fromkeys(FULL[name]) for name in ("resources", "placement", "update")}
    assert parse({**LEAST, **inner}) == parse(LEAST)


def test_a_canary_without_a_step_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        parse({**LEAST, "update": {"canary": {"steps": []}}})
    assert [(error.field, error.code) for error in refused.value.errors] == [("update.canary.steps", "empty")]


# nothing is as it is by default; what an app cannot have together is in the second one
NO_DEFAULT: list[dict[str, Any]] = [
    {
        **FULL,
        "http": {
            "sticky": True, "rate": 20, "max_body": "1MiB", "allow": ["192.0.2.0/24"], "maintenance": True,
            "users": {"ann": "a long password"}, "maintenance_text": "later", "error_text": "sorry", "timeout": "5m",
            "request_headers": {"set": {"X-A": "1"}, "remove": ["X-B"]},
            "response_headers": {"set": {"X-A": "1"}, "remove": ["X-B"]},
        },
        "update": {
            **FULL["update"], "strategy": "canary", "keep": "7m", "min_ready": "3s",
            "canary": {
                "steps": [{"weight": 7}],
                "header": {"name": "X-C", "value": "1"}, "cookie": {"name": "c", "value": "1"},
                "errors": 2, "errors_over": 3, "latency": "1s", "latency_over": 4, "requests": 99,
            },
        },
    },
    {**LEAST, "protocol": "tcp", "expose": True},
]  # fmt: skip
OWN_NULLS = {"health.path", "update.canary.errors"}
NO_NULLS = {"image", "update.canary.header.name", "update.canary.header.value", "update.canary.cookie.name",
            "update.canary.cookie.value"}  # fmt: skip


def paths(spec: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, inner in spec.items():
        yield above + name
        if isinstance(inner, dict):
            yield from paths(inner, f"{above}{name}.")


def value_at(spec: Any, path: str) -> Any:
    for name in path.split("."):
        spec = spec.get(name) if isinstance(spec, dict) else None
    return spec


@pytest.mark.parametrize("path", sorted({*paths(parse(NO_DEFAULT[0]).spec)} - NO_NULLS - {"protocol", "expose"}))
def test_a_null_brings_any_field_back_to_its_default_and_changes_no_other(path: str) -> None:
    before, default = parse(NO_DEFAULT[0]), parse(LEAST)
    change: Any = None
    for name in reversed(path.split(".")):
        change = {name: change}
    after = parse(change, before)
    wanted = None if path in OWN_NULLS else value_at(default.spec, path)
    assert value_at(before.spec, path) != wanted
    assert value_at(after.spec, path) == wanted
    others = {each for each in paths(before.spec) if not f"{each}.".startswith(f"{path}.")}
    others = {each for each in others if not path.startswith(f"{each}.")}
    assert [each for each in others if value_at(after.spec, each) != value_at(before.spec, each)] == []


def test_a_null_brings_back_the_protocol_and_ends_an_exposure() -> None:
    before = parse(NO_DEFAULT[1])
    assert parse({"expose": None}, before).spec["expose"] is False
    assert parse({"expose": None, "protocol": None}, before).spec["protocol"] == "http"


@pytest.mark.parametrize("name", ["name", "image"])
def test_what_has_no_default_cannot_be_taken_away(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse({name: None}, parse(FULL))
    assert [(error.field, error.code) for error in refused.value.errors] == [(name, "required")]


def test_the_canonical_spec_can_be_stored_and_shows_no_value_of_the_environment() -> None:
    parsed = parse(FULL)
    assert json.loads(json.dumps(parsed.spec)) == parsed.spec
    assert parsed.spec["env"] == {"KEY": MASK}
    assert "s3cret" not in repr(parsed)


@pytest.mark.parametrize("data", [LEAST, FULL])
def test_what_is_shown_can_be_sent_back(data: dict[str, Any]) -> None:
    before = parse(data)
    assert parse({"name": "web", **before.spec}, before) == before
    assert parse({}, before) == before
    # without the masks, whose values only the app itself has, it makes a new app alike
    assert parse({"name": "web", **before.spec, "env": data.get("env")}) == before


def test_changes_merge_object_by_object_and_replace_lists() -> None:
    before = parse(FULL)
    after = parse({"health": {"failures": 9}, "routes": [{"host": "new.test"}], "update": {"drain": None}}, before)
    assert after.spec["health"] == {**before.spec["health"], "failures": 9}
    assert [(route["host"], route["path"]) for route in after.spec["routes"]] == [("new.test", "/")]
    assert after.spec["update"]["drain"] == "10s"
    assert after.spec["placement"] == before.spec["placement"]


def test_variables_are_set_kept_and_removed_one_by_one() -> None:
    before = parse({**LEAST, "env": {"A": "1", "B": "2", "C": "3"}})
    assert parse({"env": {"A": MASK, "B": None, "D": "$(4)", "E": None}}, before).env == {
        "A": "1",
        "C": "3",
        "D": "$(4)",
    }
    assert parse({"env": None}, before).env == {}
    assert parse({"env": {}}, before).env == before.env


def test_an_apps_own_state_is_not_touched_by_a_change() -> None:
    before = parse(FULL)
    kept = json.dumps(before.spec)
    parse({"health": {"failures": 9}, "env": {"KEY": None}}, before)
    assert json.dumps(before.spec) == kept
    assert before.env == {"KEY": "s3cret"}


@given(ODD)
def test_any_json_is_either_refused_by_field_or_read_to_the_end(data: dict[str, Any]) -> None:
    for previous in (None, parse(FULL)):
        try:
            parsed = parse(data, previous)
        except Invalid as refused:
            assert refused.errors
            assert all(error.code and error.message for error in refused.errors)
        else:
            as_spec(with_port(parsed.spec, None), DIGEST)
            assert parse({"name": parsed.name, **parsed.spec}, parsed) == parsed


@pytest.mark.parametrize("data", [None, [], "web", 7, True])
def test_a_spec_is_an_object(data: Any) -> None:
    with pytest.raises(Invalid):
        parse(data)
    with pytest.raises(Invalid):
        parse(data, Parsed("web", parse(FULL).spec, {}))
