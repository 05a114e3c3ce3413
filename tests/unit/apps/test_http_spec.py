"""Routes and options of HTTP in specs: what is read, what is refused under which name, and what is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.applications import passwords
from apps.applications.http_spec import defaults, shown
from apps.applications.redirects import find
from apps.applications.secrets import MASK
from apps.applications.spec import Parsed, as_spec, parse, with_port
from apps.errors import Invalid
from scheduler.discovery import AppConfig, dump_config, load_config
from scheduler.edge import grammar
from scheduler.model import Spec
from scheduler.routing import Headers, HttpOptions, Redirect, Route

LEAST = {"name": "web", "image": "registry.test/web:1"}
HTTP = {
    "sticky": True,
    "request_headers": {"set": {"X-Stage": "50% 'new'"}, "remove": ["Cookie"]},
    "response_headers": {"set": {"X-Frame-Options": "DENY"}, "remove": ["Server"]},
    "rate": 20,
    "max_body": "1MiB",
    "allow": ["192.0.2.0/24", "198.51.100.7", "2001:DB8::/32"],
    "users": {"alice": "correct horse"},
    "maintenance": True,
    "maintenance_text": "Back at noon",
    "error_text": "Sorry",
    "timeout": "5m",
}


def value(parsed: Parsed) -> Spec:
    return as_spec(with_port(parsed.spec, None), "sha256:" + "0" * 64)


def refused(**spec: Any) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as invalid:
        parse({**LEAST, **spec})
    return {(error.field, error.code) for error in invalid.value.errors}


def test_all_options_are_read_and_edges_take_them() -> None:
    spec = value(parse({**LEAST, "http": HTTP, "routes": [
        {"host": "web.test", "extensions": [".JS", "css", "js"], "rewrite": "/static"},
        {"host": "old.test", "redirect": {"scheme": "https", "host": "WEB.test.", "permanent": True}},
    ]}))  # fmt: skip
    assert spec.routes == (
        Route("web.test", "/", ("css", "js"), None, "/static"),
        Route("old.test", "/", (), Redirect("https", "web.test", "", permanent=True)),
    )
    ((user, hashed),) = spec.http.users
    assert spec.http == HttpOptions(
        True,
        Headers((("X-Stage", "50% 'new'"),), ("Cookie",)),
        Headers((("X-Frame-Options", "DENY"),), ("Server",)),
        20,
        1 << 20,
        ("192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"),
        (("alice", hashed),),
        True,
        "Back at noon",
        "Sorry",
        300.0,
    )
    assert user == "alice"
    assert passwords.matches("correct horse", hashed)
    config = AppConfig(spec.protocol, spec.port, spec.health, spec.routes, 2, spec.http)
    grammar.check_config(config)
    assert load_config(dump_config(config)) == config


def test_nothing_said_is_nothing_done() -> None:
    spec = value(parse(LEAST))
    assert spec.http == HttpOptions()
    assert parse(LEAST).spec["http"] == defaults()


@pytest.mark.parametrize(
    ("route", "field", "code"),
    [
        ({"path": "/a b"}, "path", "invalid_path"),
        ({"extensions": ["c/s"]}, "extensions", "invalid_extension"),
        ({"extensions": ["js\n"]}, "extensions", "invalid_extension"),
        ({"rewrite": "/a'b"}, "rewrite", "invalid_path"),
        ({"rewrite": "relative"}, "rewrite", "invalid_path"),
        ({"redirect": {"scheme": "ftp"}}, "redirect.scheme", "invalid_choice"),
        ({"redirect": {"host": "a b"}}, "redirect.host", "invalid_host"),
        ({"redirect": {"path": "/a\r\nSet-Cookie: x"}}, "redirect.path", "invalid_path"),
        ({"redirect": {"permanent": 1, "path": "/x"}, "path": "/y"}, "redirect.permanent", "invalid_type"),
        ({"redirect": {}}, "redirect", "no_target"),
        ({"redirect": {"to": "/x"}}, "redirect.to", "unknown_field"),
        ({"redirect": {"path": "/x"}, "path": "/y", "rewrite": "/z"}, "rewrite", "redirected"),
    ],
)
def test_a_wrong_route_is_refused_by_its_field(route: dict[str, Any], field: str, code: str) -> None:
    assert (f"routes[0].{field}", code) in refused(routes=[{"host": "web.test", **route}])


@pytest.mark.parametrize(
    ("http", "field", "code"),
    [
        ({"sticky": "yes"}, "sticky", "invalid_type"),
        ({"request_headers": {"set": {"X A": "b"}}}, "request_headers.set.X A", "invalid_header"),
        ({"request_headers": {"set": {"X-A": "b\nc"}}}, "request_headers.set.X-A", "invalid_header"),
        ({"request_headers": {"set": {"X-A": "é"}}}, "request_headers.set.X-A", "invalid_header"),
        ({"request_headers": {"set": {"Host": "b"}}}, "request_headers.set.Host", "reserved_header"),
        ({"request_headers": {"remove": ["X-Forwarded-For"]}}, "request_headers.remove", "reserved_header"),
        ({"response_headers": {"set": {"A": "1", "a": "2"}}}, "response_headers.set", "invalid_list"),
        ({"rate": 0}, "rate", "out_of_range"),
        ({"rate": 1.5}, "rate", "invalid_type"),
        ({"max_body": "-1"}, "max_body", "out_of_range"),
        ({"max_body": 0}, "max_body", "out_of_range"),
        ({"allow": ["10.0.0.1/8"]}, "allow", "invalid_network"),
        ({"allow": ["everyone"]}, "allow", "invalid_network"),
        ({"users": {"a:b": "long enough"}}, "users.a:b", "invalid_name"),
        ({"users": {"a": "short"}}, "users.a", "too_short"),
        ({"users": {"a": MASK}}, "users.a", "masked"),
        ({"users": {"a": "nul\0nul nul"}}, "users.a", "invalid_text"),
        ({"maintenance": None, "maintenance_text": 3}, "maintenance_text", "invalid_type"),
        ({"error_text": "x" * 501}, "error_text", "too_long"),
        ({"timeout": "0s"}, "timeout", "out_of_range"),
        ({"cache": True}, "cache", "unknown_field"),
    ],
)
def test_a_wrong_option_is_refused_by_its_field(http: dict[str, Any], field: str, code: str) -> None:
    assert refused(http=http) == {(f"http.{field}", code)}


def test_a_redirect_that_leads_somewhere_wrong_is_told_only_that() -> None:
    assert refused(routes=[{"host": "a.test", "redirect": {"host": "a b"}}]) == {
        ("routes[0].redirect.host", "invalid_host")
    }


def test_each_protocol_has_its_own_options() -> None:
    assert ("http", "not_http") in refused(protocol="tcp", http={"rate": 5})
    assert ("expose", "not_tcp") in refused(expose=True)
    assert value(parse({**LEAST, "protocol": "tcp", "expose": True})).expose


def test_a_route_is_there_once_for_every_extension() -> None:
    parse({**LEAST, "routes": [{"host": "a.test"}, {"host": "a.test", "extensions": ["css"]}]})
    twice = [{"host": "a.test", "extensions": ["js", "css"]}, {"host": "a.test", "extensions": ["css"]}]
    assert refused(routes=twice) == {("routes[1]", "duplicate")}


@pytest.mark.parametrize(
    "routes",
    [
        [{"host": "a.test", "redirect": {"path": "/new"}}],
        [{"host": "a.test", "redirect": {"scheme": "https", "host": "a.test"}}],
        [{"host": "a.test", "redirect": {"host": "b.test"}}, {"host": "b.test", "redirect": {"host": "a.test"}}],
        [{"host": "a.test", "extensions": ["css"], "redirect": {"path": "/b.css"}}],
    ],
)
def test_redirects_that_lead_in_circles_are_refused(routes: list[dict[str, Any]]) -> None:
    assert ("routes[0].redirect", "redirect_loop") in refused(routes=routes)


@pytest.mark.parametrize(
    "routes",
    [
        [{"host": "a.test", "redirect": {"scheme": "https"}}],
        [{"host": "a.test"}, {"host": "a.test", "path": "/old", "redirect": {"path": "/new"}}],
        [{"host": "a.test", "redirect": {"host": "b.test"}}, {"host": "b.test"}],
        [{"host": "a.test", "extensions": ["css"], "redirect": {"path": "/b.txt"}}],
    ],
)
def test_redirects_that_end_are_taken(routes: list[dict[str, Any]]) -> None:
    parse({**LEAST, "routes": routes})


def test_the_route_that_is_found_is_the_one_that_an_edge_takes() -> None:
    everything, api, css = Route("a.test"), Route("a.test", "/api"), Route("a.test", extensions=("css",))
    for path, expected in (("/", everything), ("/api", api), ("/apify", everything), ("/api/a.CSS", css)):
        assert find("a.test", path, lambda _host: [everything, css, api]) == expected


def test_passwords_are_kept_by_their_mask_and_changed_or_removed_by_name() -> None:
    before = parse({**LEAST, "http": {"users": {"alice": "correct horse", "bob": "battery staple"}}})
    hashes = before.spec["http"]["users"]
    masks = shown(before.spec)["http"]["users"]
    assert masks == {"alice": MASK, "bob": MASK}
    assert parse({"http": {"users": masks}}, before).spec == before.spec
    assert parse({"http": {"users": {"alice": "correct horse"}}}, before).spec == before.spec
    assert parse({"replicas": 2}, before).spec["http"]["users"] == hashes
    after = parse({"http": {"users": {"alice": None, "bob": "another one"}}}, before).spec["http"]["users"]
    assert after.keys() == {"bob"}
    assert passwords.matches("another one", after["bob"])


def test_a_password_is_in_nothing_that_is_stored() -> None:
    parsed = parse({**LEAST, "http": {"users": {"alice": "correct horse"}}})
    assert "horse" not in json.dumps(parsed.spec)


def test_a_hash_is_made_under_a_salt_of_its_own() -> None:
    assert passwords.hashed("one password") != passwords.hashed("one password")
    assert not passwords.matches("another one", passwords.hashed("one password"))


def test_options_of_edges_need_no_new_containers() -> None:
    plain, rich = value(parse(LEAST)), value(parse({**LEAST, "http": HTTP, "routes": [{"host": "a.test"}]}))
    assert plain.template("env") == rich.template("env")
