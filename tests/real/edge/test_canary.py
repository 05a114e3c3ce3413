"""A release that is tried on a part of the traffic, at a real HAProxy."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import pytest

from scheduler.discovery import AppConfig
from scheduler.model import Endpoint
from scheduler.routing import Split
from tests.real.edge.conftest import Bench, config, endpoint
from tests.services import wait_until

HOST = "shop.test"
MANY = 4000  # requests


def split(weight: int, **more: object) -> AppConfig:
    marks = Split(weight, ("X-Canary", "yes"), ("try-it", "on"))
    return config(HOST, slots=8, canary=marks, **more)


class Shop:
    """Stable instances and canaries, each of which answers with its own name."""

    def __init__(self, bench: Bench, stable: int, canaries: int, **options: object) -> None:
        self.bench, self.options = bench, options
        names = [*(f"stable-{n}" for n in range(stable)), *(f"canary-{n}" for n in range(canaries))]
        self.servers = {name: bench.server(name) for name in names}

    def endpoints(self) -> list[Endpoint]:
        return [
            replace(endpoint(f"{name[-1]}-1", server), release=1)
            if name.startswith("stable")
            else replace(endpoint(f"{name[-1]}-2", server), release=2, canary=True)
            for name, server in self.servers.items()
        ]

    def serve(self, weight: int, **changes: bool) -> None:
        """Publish it with this share; `changes` are of the canaries' endpoints."""
        everyone = [replace(each, **changes) if each.canary else each for each in self.endpoints()]
        self.bench.applied(self.bench.publish("shop", split(weight, **self.options), *everyone))
        for each in everyone:
            if not each.draining:
                self.bench.up("shop", each.instance)

    def answers(self, requests: int = MANY, **headers: str) -> Counter[str]:
        """Who answered how often, and any status but 200."""
        return Counter(name for name, _ in self.ask(requests, **headers))

    def ask(self, requests: int = 1, **headers: str) -> Iterator[tuple[str, str]]:
        """Who answered, or a status that is not 200; and the cookie that came with it. On one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.bench.agent.port, timeout=30)
        sent = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with contextlib.closing(connection):
            for _ in range(requests):
                connection.request("GET", "/", headers=sent)
                answer = connection.getresponse()
                name = answer.read().decode()
                cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
                yield name if answer.status == 200 else str(answer.status), cookie


def share(found: Counter[str]) -> float:
    return sum(count for name, count in found.items() if name.startswith("canary")) / found.total()


def about(weight: int, requests: int = MANY) -> object:
    """Within four and a half standard deviations, which chance leaves once in a hundred thousand times."""
    part = weight / 100
    return pytest.approx(part, abs=4.5 * sqrt(part * (1 - part) / requests))


@pytest.mark.parametrize(("stable", "canaries"), [(3, 1), (1, 2)])
def test_the_share_does_not_depend_on_how_many_instances_there_are(shared: Bench, stable: int, canaries: int) -> None:
    shop = Shop(shared, stable, canaries)
    shop.serve(0)
    processes = shared.agent.haproxies()
    assert share(shop.answers(500)) == 0
    for weight in (5, 25, 60):
        shop.serve(weight)
        found = shop.answers()
        assert share(found) == about(weight)
        assert set(found) == shop.servers.keys()
    shop.serve(100)
    assert share(shop.answers(500)) == 1
    assert shared.agent.haproxies() == processes, "it took a reload"


def test_who_asks_for_it_by_header_or_cookie_always_gets_it(shared: Bench) -> None:
    shop = Shop(shared, 2, 1)
    shop.serve(0)
    assert set(shop.answers(200, X_Canary="yes")) == {"canary-0"}
    assert set(shop.answers(200, Cookie="a=b; try-it=on")) == {"canary-0"}
    for other in ({"X_Canary": "no"}, {"X_Canary": "yes, no"}, {"X_Canary": "YES"}, {"Cookie": "try-it=off"}):
        assert share(shop.answers(50, **other)) == 0


def test_without_a_canary_that_is_up_the_stable_release_serves_all_and_the_other_way_round(shared: Bench) -> None:
    shop = Shop(shared, 1, 2)
    shop.serve(50)
    shop.servers["canary-0"].status = 500
    wait_until(lambda: not shared.probe("shop", "0-2").up, "one canary is down")
    assert share(shop.answers(1000)) == about(50, 1000), "the other one takes its part"
    shop.servers["canary-1"].status = 500
    wait_until(lambda: not shared.probe("shop", "1-2").up, "both are")
    assert set(shop.answers(200)) == set(shop.answers(50, X_Canary="yes")) == {"stable-0"}
    shop.servers["canary-1"].status = 200
    shop.servers["stable-0"].status = 500
    shared.up("shop", "1-2")
    wait_until(lambda: not shared.probe("shop", "0-1").up, "the stable one is down")
    assert set(shop.answers(200)) == {"canary-1"}


def test_a_canary_gets_all_of_the_traffic_or_none_without_a_lost_request(shared: Bench) -> None:
    shop = Shop(shared, 2, 2)
    shop.serve(0)
    with shared.load(HOST) as load:
        for weight in (5, 25, 5, 100, 25):
            shop.serve(weight)
        everyone = [replace(each, canary=False, draining=not each.canary) for each in shop.endpoints()]
        shared.applied(shared.publish("shop", split(0), *everyone))
        assert share(shop.answers(200)) == 1
        shop.serve(25)
        shop.serve(0, canary=False, draining=True)
        assert share(shop.answers(200)) == 0
    assert set(load.answers) == {"200"}


def test_a_client_with_a_cookie_stays_with_its_version(shared: Bench) -> None:
    shop = Shop(shared, 2, 1, sticky=True, cookie_key="0" * 32)
    shop.serve(50)
    cookies = dict(shop.ask(200))
    assert cookies.keys() == shop.servers.keys()
    for weight in (5, 95):
        shop.serve(weight)
        for name, cookie in cookies.items():
            assert set(shop.answers(50, Cookie=cookie)) == {name}
    assert set(shop.answers(50, Cookie="berth-canary=0123456789abcdef")) <= {"stable-0", "stable-1", "canary-0"}
    asking = shop.answers(50, Cookie=cookies["stable-0"], X_Canary="yes")
    assert set(asking) == {"canary-0"}, "who asks for it gets it"


def test_a_reload_and_a_new_haproxy_keep_the_share(bench: Bench) -> None:
    shop = Shop(bench, 2, 2)
    shop.serve(25)
    bench.applied(bench.publish("other", config("other.test")))
    assert share(shop.answers()) == about(25)
    shop.serve(60)
    os.kill(bench.agent.haproxies()[0], signal.SIGKILL)
    bench.status(HOST, 200)
    for each in shop.endpoints():
        bench.up("shop", each.instance)
    assert share(shop.answers()) == about(60)
    bench.agent.kill()
    bench.agent.start()
    shop.serve(5)
    assert share(shop.answers()) == about(5)
