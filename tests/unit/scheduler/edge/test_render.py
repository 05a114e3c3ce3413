from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.discovery import dump_config
from scheduler.edge import render
from scheduler.edge.folder import Folder
from scheduler.model import HealthCheck, Protocol, Route
from scheduler.routing import Split
from tests.unit.scheduler.edge.build import CONFIG, backend, held

FOLDER = Folder(Path("/edge"))
SHOP = backend(held("0-1"), None, held("1-3", 2, draining=True))


def test_an_apps_file_says_all_of_it() -> None:
    assert (
        render.backend(SHOP, FOLDER)
        == f"""\
# Written by Berth's edge agent. Changes are lost.
# app {dump_config(CONFIG)}
backend team.shop from http
    log global
    option log-health-checks
    timeout check 1000ms
    default-server check inter 2000ms fastinter 250ms downinter 250ms rise 1 fall 3
    option httpchk
    http-check set-var(check.server) srv_name
    http-check send meth GET uri-lf '%[str(team.shop/),concat(,check.server),map(/edge/checks.map,/)]' ver HTTP/1.1\
 hdr Host 'shop.test' hdr User-Agent Berth
    http-check expect status 200-299
    timeout server 60000ms
    http-response allow unless {{ be_sess_rate ge 1000 }}
    http-response allow if {{ status ge 500 }}
    http-response set-log-level silent
    http-response set-log-level notice if {{ rand(16) eq 0 }}
    server s1 10.0.0.1:8080 # 0-1
    server s2 127.0.0.1:1 disabled
    server s3 10.0.0.2:8080 # 1-3 draining
"""
    )


def test_without_a_path_a_connection_is_enough() -> None:
    tcp = replace(CONFIG, protocol=Protocol.TCP)
    bare = replace(CONFIG, health=HealthCheck(path=None))
    assert "httpchk" not in render.backend(backend(config=tcp), FOLDER) + render.backend(backend(config=bare), FOLDER)


@pytest.mark.parametrize("each", [SHOP, backend(), backend(None, config=replace(CONFIG, routes=(), slots=7))])
def test_what_is_written_is_read_back(each: object) -> None:
    assert render.read_backend("team.shop", render.backend(each, FOLDER)) == each  # type: ignore[arg-type]


def test_each_server_is_asked_for_what_its_own_release_has() -> None:
    own = replace(held("1-3", 2, standby=True), check="/healthz?a,b=%20", release=12)
    wanted = backend(held("0-1"), None, own, config=replace(CONFIG, health=HealthCheck(path="/new")))
    assert render.checks([wanted]) == "team.shop/s1 /new\nteam.shop/s2 /new\nteam.shop/s3 /healthz?a,b=%20\n"
    assert render.read_backend("team.shop", render.backend(wanted, FOLDER)) == wanted


def test_a_canary_has_no_weight_and_gets_its_share_by_the_map() -> None:
    split = replace(CONFIG, canary=Split(5, ("X-Canary", "yes"), ("canary", "on")))
    wanted = backend(held("0-1"), replace(held("0-2", 2, canary=True), check="/"), None, config=split)
    text = render.backend(wanted, FOLDER)
    assert "    server s1 10.0.0.1:8080 # 0-1\n    server s2 10.0.0.2:8080 weight 0 # 0-2 / canary\n" in text
    assert "if { req.fhdr(X-Canary) -m str yes }\n" in text
    assert "if { req.cook(canary) -m str on }\n" in text
    assert render.read_backend("team.shop", text) == wanted
    assert render.canaries([wanted, backend(held("0-1"))]).splitlines() == [
        "team.shop/weight 5", "team.shop/count 1", "team.shop/token -", "team.shop/0 s2", "team.shop/s1 -",
        "team.shop/1 -", "team.shop/s2 canary", "team.shop/2 -", "team.shop/s3 -",
    ]  # fmt: skip
    assert " s2 10.0.0.2 2 0 0 0 0 1 " in render.states([wanted], {("team.shop", "0-2")})


@pytest.mark.parametrize("text", ["", "backend x\n", "# Written\n# app no JSON\n"])
def test_a_file_of_another_kind_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        render.read_backend("team.shop", text)


def test_routes_end_in_a_slash_and_the_first_app_by_name_has_one_that_two_claim() -> None:
    both = replace(CONFIG, routes=(Route("shop.test"), Route("shop.test", "/api/")))
    other = replace(CONFIG, routes=(Route("shop.test"), Route("blog.test", "/a/b")))
    tcp = replace(CONFIG, protocol=Protocol.TCP, routes=(Route("tcp.test"),))
    backends = [
        backend(config=other, app="tail"),
        backend(config=both, app="shop"),
        backend(config=tcp, app="mail"),
    ]
    assert (
        render.routes(backends)
        == """\
blog.test/a/b/ team.tail
shop.test/ team.shop
shop.test/api/ team.shop
"""
    )


def test_servers_start_up_only_when_they_were() -> None:
    header, _, *lines = render.states([SHOP], {("team.shop", "0-1")}).splitlines()
    assert header == "1"
    assert lines == [
        "0 team.shop 1 s1 10.0.0.1 2 0 1 1 0 1 3 3 6 0 0 0 - 8080 - 0 0 - - 0",
        "0 team.shop 3 s3 10.0.0.2 0 8 1 1 0 1 0 0 6 0 0 0 - 8080 - 0 0 - - 0",
    ]


def test_the_edges_own_part_names_its_address_and_its_user() -> None:
    folder = Folder(Path("/var/lib/berth/edge"))
    assert "    bind 127.0.0.1:8080\n" in render.base(folder, "127.0.0.1:8080", "")
    assert "    user " not in render.base(folder, "127.0.0.1:8080", "")
    assert "    user haproxy\n    group haproxy\n" in render.base(folder, "127.0.0.1:8080", "haproxy")
