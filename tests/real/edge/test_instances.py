from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from cloud.embedded import free_port
from scheduler.model import Endpoint, HealthCheck
from tests.real.edge.conftest import CHECK, Bench, config, endpoint
from tests.real.edge.server import Answer, get
from tests.services import wait_until


def test_spare_slots_take_more_instances_without_a_reload(shared: Bench) -> None:
    servers = [shared.server(f"server-{n}") for n in range(4)]
    shared.publish("shop", config("shop.test", slots=4), endpoint("0-1", servers[0]))
    shared.up("shop", "0-1")
    processes = shared.agent.haproxies()
    everyone = [endpoint(f"{n}-1", server) for n, server in enumerate(servers)]
    with shared.load("shop.test") as load:
        shared.publish("shop", config("shop.test", slots=4), *everyone)
        for held in everyone:
            shared.up("shop", held.instance)
        wait_until(lambda: all(server.requests for server in servers), "every instance gets requests")
        shared.applied(shared.publish("shop", config("shop.test", slots=4), *everyone[2:]))
        enough = load.done + 100
        wait_until(lambda: load.done > enough, "requests go on")
    assert set(load.answers) == {"200"}
    assert shared.agent.haproxies() == processes


def test_more_instances_than_slots_reload_without_losing_a_request(shared: Bench) -> None:
    servers = [shared.server(f"server-{n}") for n in range(9)]
    everyone = [endpoint(f"{n}-1", server) for n, server in enumerate(servers)]
    shared.publish("shop", config("shop.test", slots=1), everyone[0])
    shared.up("shop", "0-1")
    master, worker = shared.agent.haproxies()
    with shared.load("shop.test") as load:
        for number in (5, 9):
            shared.applied(shared.publish("shop", config("shop.test", slots=number), *everyone[:number]))
            for held in everyone[:number]:
                shared.up("shop", held.instance)
        wait_until(lambda: all(server.requests for server in servers), "every instance gets requests")
    assert set(load.answers) == {"200"}
    assert shared.agent.haproxies()[0] == master
    assert worker != shared.agent.haproxies()[-1]


def test_instances_of_two_releases_are_checked_each_by_its_own_path(shared: Bench) -> None:
    old, new, wrong = (shared.server(name) for name in ("old", "new", "wrong"))
    old.check_path, new.check_path, wrong.check_path = "/health", "/healthz?deep=1,2", "/health"
    before = replace(endpoint("0-1", old), check=old.check_path)
    shared.publish("shop", config("shop.test", health=replace(CHECK, path=old.check_path)), before)
    shared.up("shop", "0-1")
    after = config("shop.test", slots=4, health=replace(CHECK, path=new.check_path))
    with shared.load("shop.test") as load:
        fresh = [replace(endpoint(*of), check=new.check_path) for of in (("0-2", new), ("1-3", wrong))]
        shared.applied(shared.publish("shop", after, before, *fresh))
        shared.up("shop", "0-2")
        seen = old.checks, new.checks
        wait_until(lambda: old.checks > seen[0] + 5 and new.checks > seen[1] + 5, "HAProxy itself checks them")
        verdicts = {name: probe.up for name in ("0-1", "0-2", "1-3") if (probe := shared.probe("shop", name))}
        assert verdicts == {"0-1": True, "0-2": True, "1-3": False}
        shared.applied(shared.publish("shop", after, fresh[0]))
        enough = load.done + 100
        wait_until(lambda: load.done > enough, "requests go on")
    assert set(load.answers) == {"200"}
    assert not wrong.requests


def test_a_change_of_config_takes_no_healthy_instance_out(shared: Bench) -> None:
    server = shared.server("one")
    shared.publish("shop", config("shop.test"), endpoint("0-1", server))
    shared.up("shop", "0-1")
    since = shared.probe("shop", "0-1").since
    with shared.load("shop.test") as load:
        for number in range(5):
            shared.applied(shared.publish("shop", config("shop.test", f"{number}.test"), endpoint("0-1", server)))
    assert set(load.answers) == {"200"}
    assert shared.probe("shop", "0-1").since == since


def test_an_update_one_by_one_loses_no_request(shared: Bench) -> None:
    """As the loop does it: the new one up, the old one drained, then withdrawn, then stopped."""
    old = shared.server("0-1")
    shared.publish("shop", config("shop.test"), endpoint("0-1", old))
    shared.up("shop", "0-1")
    with shared.load("shop.test") as load:
        for generation in range(2, 7):
            new = shared.server(f"0-{generation}")
            before, after = endpoint(f"0-{generation - 1}", old), endpoint(new.name, new)
            shared.publish("shop", config("shop.test"), before, after)
            shared.up("shop", new.name)
            leaving = endpoint(before.instance, old, draining=True)
            shared.applied(shared.publish("shop", config("shop.test"), leaving, after))
            wait_until(lambda held=leaving: _idle(shared, held), "the old one has no session")
            shared.applied(shared.publish("shop", config("shop.test"), after))
            old.close()
            old = new
    assert set(load.answers) == {"200"}


def _idle(shared: Bench, held: Endpoint) -> bool:
    probe = shared.probe("shop", held.instance)
    return probe is not None and probe.sessions == 0


@pytest.mark.parametrize("sticky", [False, True])
def test_all_traffic_moves_to_those_that_stand_by_and_back_without_a_lost_request(shared: Bench, sticky: bool) -> None:
    colours = {name: [shared.server(name) for _ in range(2)] for name in ("blue", "green")}

    def serve(colour: str) -> None:
        key = colour.encode().hex().zfill(32) if sticky else ""
        wanted = config("shop.test", slots=4, sticky=sticky, cookie_key=key)
        ends = [
            replace(endpoint(f"{n}-{generation}", server), draining=name != colour, standby=name != colour)
            for generation, (name, servers) in enumerate(colours.items(), 1)
            for n, server in enumerate(servers)
        ]
        shared.applied(shared.publish("shop", wanted, *ends))
        for each in ends:
            shared.up("shop", each.instance)

    serve("blue")
    with shared.load("shop.test") as load:
        for colour in ("green", "blue") * 5:
            cookie = Answer(shared.agent.port).headers["Set-Cookie"] or ""
            serve(colour)
            headers = {"Cookie": cookie.partition(";")[0]}
            assert {Answer(shared.agent.port, headers=headers).text for _ in range(4)} == {colour}
    assert set(load.answers) == {"200"}


def test_a_draining_instance_finishes_what_it_has_begun_and_gets_nothing_new(shared: Bench) -> None:
    old, new = shared.server("old"), shared.server("new")
    shared.publish("shop", config("shop.test"), endpoint("0-1", old))
    shared.up("shop", "0-1")
    slow: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: slow.append(get(shared.agent.port, "shop.test", "/slow")))
    asking.start()
    wait_until(lambda: "/slow" in old.requests, "a request is under way")
    shared.publish("shop", config("shop.test"), endpoint("0-1", old), endpoint("0-2", new))
    shared.up("shop", "0-2")
    shared.applied(
        shared.publish("shop", config("shop.test"), endpoint("0-1", old, draining=True), endpoint("0-2", new))
    )
    assert shared.probe("shop", "0-1").sessions == 1
    # a reload in between: the request goes on in the worker before, and still counts
    shared.applied(shared.publish("other", config("other.test")))
    assert {shared.get("shop.test") for _ in range(10)} == {(200, "new")}
    assert shared.probe("shop", "0-1").sessions == 1
    old.hold.set()
    wait_until(lambda: shared.probe("shop", "0-1").sessions == 0, "the session's end is reported")
    asking.join()
    assert slow == [(200, "old")]


def test_nothing_is_sent_before_the_first_check_has_passed(shared: Bench) -> None:
    server = shared.server("one", status=500)
    shared.publish("shop", config("shop.test"))
    shared.applied(shared.publish("shop", config("shop.test"), endpoint("0-1", server)))  # by way of a slot
    shared.applied(shared.publish("more", config("more.test"), endpoint("0-1", server)))  # by way of a reload
    with shared.load("shop.test", 2) as shop, shared.load("more.test", 2) as more:
        enough = server.checks + 20
        wait_until(lambda: server.checks > enough, "it is checked")
    assert set(shop.answers) == set(more.answers) == {"503"}
    assert not server.requests
    assert not shared.probe("shop", "0-1").up
    server.status = 204
    shared.up("shop", "0-1")
    shared.up("more", "0-1")
    assert shared.get("shop.test")[0] == 204


def test_an_instance_that_is_late_to_listen_is_found_by_frequent_checks(shared: Bench) -> None:
    """Its app's own interval is so long that nothing else would have found it."""
    port = free_port()
    rare = HealthCheck(interval=3600, timeout=1)
    shared.applied(shared.publish("shop", config("shop.test", health=rare), Endpoint("0-1", "127.0.0.1", port)))
    assert shared.get("shop.test")[0] == 503
    shared.server("late", port)
    shared.answers("shop.test", (200, "late"))
    shared.up("shop", "0-1")


def test_an_instance_must_pass_as_often_as_its_app_asks(shared: Bench) -> None:
    server = shared.server("one")
    strict = HealthCheck(interval=3600, successes=4)
    shared.publish("shop", config("shop.test", health=strict), endpoint("0-1", server))
    shared.up("shop", "0-1")
    assert server.checks >= 4


def test_an_instance_that_fails_leaves_the_rotation_and_comes_back(shared: Bench) -> None:
    servers = shared.server("one"), shared.server("two")
    shared.publish("shop", config("shop.test"), endpoint("0-1", servers[0]), endpoint("1-1", servers[1]))
    shared.up("shop", "0-1")
    shared.up("shop", "1-1")
    servers[0].status = 500
    wait_until(lambda: not shared.probe("shop", "0-1").up, "it is reported down")
    assert shared.probe("shop", "0-1").detail.startswith("L7STS/500")
    assert {shared.get("shop.test") for _ in range(10)} == {(200, "two")}
    servers[0].status = 302
    wait_until(lambda: "302" in shared.probe("shop", "0-1").detail, "what is wrong now is reported")
    servers[0].status = 200
    shared.up("shop", "0-1")
    wait_until(lambda: shared.get("shop.test") == (200, "one"), "it is back in the rotation")


def test_an_instance_that_is_gone_costs_no_request(shared: Bench) -> None:
    servers = shared.server("one"), shared.server("two")
    shared.publish("shop", config("shop.test"), endpoint("0-1", servers[0]), endpoint("1-1", servers[1]))
    shared.up("shop", "0-1")
    shared.up("shop", "1-1")
    with shared.load("shop.test") as load:
        servers[0].shutdown()
        servers[0].server_close()
        wait_until(lambda: not shared.probe("shop", "0-1").up, "it is reported down")
    assert set(load.answers) == {"200"}
    assert "L4CON" in shared.probe("shop", "0-1").detail
