from __future__ import annotations

from scheduler.model import Protocol
from tests.real.edge.conftest import Bench, config, endpoint


def test_an_app_is_served_when_it_is_published_and_not_when_it_is_gone(shared: Bench) -> None:
    assert shared.get("shop.test")[0] == 404
    shared.applied(shared.publish("shop", config("shop.test")))
    assert shared.get("shop.test")[0] == 503
    server = shared.server("one")
    shared.applied(shared.publish("shop", config("shop.test"), endpoint("0-1", server)))
    shared.answers("shop.test", (200, "one"))
    shared.applied(shared.publish("shop", None))
    assert shared.get("shop.test")[0] == 404
    assert shared.report("shop") is None
    assert [path.name for path in (shared.agent.folder / "conf").iterdir()] == ["00-edge.cfg"]


def test_a_changed_route_takes_the_place_of_the_one_before(shared: Bench) -> None:
    server = shared.server("one")
    shared.publish("shop", config("old.test"), endpoint("0-1", server))
    shared.answers("old.test", (200, "one"))
    shared.applied(shared.publish("shop", config("new.test"), endpoint("0-1", server)))
    assert shared.get("new.test") == (200, "one")
    assert shared.get("old.test")[0] == 404


def test_a_host_matches_in_any_case_and_with_any_port(shared: Bench) -> None:
    shared.publish("shop", config("shop.test"), endpoint("0-1", shared.server("one")))
    shared.answers("shop.test", (200, "one"))
    assert shared.get("SHOP.Test:8080") == (200, "one")
    for written in ("shop.test.", "Shop.Test.:8080"):  # as a resolver takes it that is to add no domain of its own
        assert shared.get(written) == (200, "one")
    assert shared.get(".")[0] == 404
    assert shared.get("shop.test.evil.test")[0] == 404
    assert shared.get("test")[0] == 404


def test_the_longest_path_wins_and_only_whole_segments_match(shared: Bench) -> None:
    shared.publish("site", config("shop.test"), endpoint("0-1", shared.server("site")))
    shared.publish("api", config("shop.test/api"), endpoint("0-1", shared.server("api")))
    shared.publish("admin", config("shop.test/api/admin/"), endpoint("0-1", shared.server("admin")))
    for path, name in (
        ("/", "site"),
        ("/apify", "site"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/users?of=/api/admin", "api"),
        ("/api/admin", "admin"),
        ("/api/admin/x", "admin"),
        ("/API", "site"),
    ):
        shared.answers("shop.test", (200, name), path=path)


def test_an_app_learns_who_asked_and_for_which_host(shared: Bench) -> None:
    server = shared.server("one")
    shared.publish("shop", config("shop.test"), endpoint("0-1", server))
    shared.answers("shop.test", (200, "one"))
    assert server.headers["X-Forwarded-For"] == "127.0.0.1"
    assert server.headers["X-Forwarded-Proto"] == "http"
    assert server.headers["X-Forwarded-Host"] == server.headers["Host"] == "shop.test"


def test_an_app_of_another_protocol_is_probed_and_not_routed(shared: Bench) -> None:
    server = shared.server("one")
    shared.publish("queue", config("queue.test", protocol=Protocol.TCP), endpoint("0-1", server))
    shared.up("queue", "0-1")
    assert shared.get("queue.test")[0] == 404
    assert not server.requests


def test_many_apps_that_come_together_take_few_reloads(shared: Bench) -> None:
    server, before = shared.server("one"), shared.logged("reloaded")
    for number in range(40):
        revision = shared.publish(f"app-{number}", config(f"app-{number}.test"), endpoint("0-1", server))
    shared.applied(revision)
    for number in range(40):
        shared.answers(f"app-{number}.test", (200, "one"))
    assert shared.logged("reloaded") - before < 20
