from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from scheduler.edge.grammar import Refused, check_app, check_config, check_endpoint
from scheduler.model import Endpoint, Route
from scheduler.routing import Headers, HttpOptions, Redirect, Split
from tests.unit.scheduler.edge.build import CONFIG, held

INJECTIONS = ["\n", ";", "'", '"', "\\", "#", " ", "\t", "\0", "$", "{", "[", "\x7f", "é", "\u2028", "|"]


CRYPTED = f"$5$rounds=1000$salt${'a' * 43}"


def check_http(**options: Any) -> None:
    check_config(replace(CONFIG, http=HttpOptions(**options)))


def check_split(**marks: Any) -> None:
    check_config(replace(CONFIG, canary=Split(5, **marks)))


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\t", "\x7f", "é", "\u2028"])
def test_a_headers_value_is_one_line_of_printable_ascii(sign: str) -> None:
    with pytest.raises(Refused, match=r"http\.request"):
        check_http(request=Headers((("X-A", f"a{sign}b"),)))


@pytest.mark.parametrize(
    "options",
    [{"sticky": 1}, {"rate": -1}, {"rate": True}, {"max_body": "1"}, {"allow": ("10.0.0.1/8",)}, {"allow": (3,)},
     {"maintenance": "no"}, {"error_text": "x" * 501}, {"maintenance_text": None}, {"timeout": 0},
     {"users": (("a", "plain"),)}, {"allow": ("fe80::1%eth0/128",)}],
)  # fmt: skip
def test_options_have_their_bounds(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="http"):
        check_http(**options)


@pytest.mark.parametrize("weight", [-1, 101, 5.0, True, "5", None])
def test_a_share_is_a_whole_number_of_percent(weight: Any) -> None:
    with pytest.raises(Refused, match="canary"):
        check_config(replace(CONFIG, canary=Split(weight)))


@pytest.mark.parametrize("port", [1, 1023, 65536, True, "2000"])
def test_apps_have_no_port_of_the_systems_own(port: Any) -> None:
    with pytest.raises(Refused, match="tcp_port"):
        check_config(replace(CONFIG, tcp_port=port))


@pytest.mark.parametrize("sign", INJECTIONS)
def test_signs_that_mean_something_to_haproxy_are_refused_everywhere(sign: str) -> None:
    for refused in (
        lambda: check_app("team", f"a{sign}b"),
        lambda: check_app(f"a{sign}b", "shop"),
        lambda: check_config(replace(CONFIG, routes=(Route(f"a{sign}b.test"),))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", f"/a{sign}b"),))),
        lambda: check_config(replace(CONFIG, health=replace(CONFIG.health, path=f"/a{sign}b"))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", extensions=(f"c{sign}s",)),))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", rewrite=f"/a{sign}b"),))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", redirect=Redirect(host=f"a{sign}b")),))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", redirect=Redirect(path=f"/a{sign}b")),))),
        lambda: check_config(replace(CONFIG, routes=(Route("a.test", redirect=Redirect(scheme=f"http{sign}")),))),
        lambda: check_http(request=Headers(((f"a{sign}b", "c"),))),
        lambda: check_http(response=Headers(remove=(f"a{sign}b",))),
        lambda: check_http(allow=(f"10.0.0.0{sign}/8",)),
        lambda: check_http(users=((f"a{sign}b", CRYPTED),)),
        lambda: check_http(users=(("ab", f"{CRYPTED[:-1]}{sign}" if sign != "$" else f"{CRYPTED}$"),)),
        lambda: check_config(replace(CONFIG, cookie_key=f"{'0' * 16}{sign}")),
        lambda: check_split(header=(f"X{sign}A", "yes")),
        lambda: check_split(header=("X-A", f"y{sign}s")),
        lambda: check_split(cookie=(f"a{sign}b", "yes")),
        lambda: check_split(cookie=("ab", f"y{sign}s")),
        lambda: check_endpoint(replace(held("0-1"), instance=f"0{sign}1")),
        lambda: check_endpoint(replace(held("0-1"), address=f"10.0.0.1{sign}")),
    ):
        with pytest.raises(Refused) as refusal:
            refused()
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 0), ("port", 65536), ("port", True), ("port", "80"), ("slots", -1), ("slots", 1025), ("slots", None)],
)
def test_figures_have_their_bounds(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=name):
        check_config(replace(CONFIG, **{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("interval", 0), ("interval", float("nan")), ("interval", float("inf")), ("timeout", "1"), ("timeout", 1e9),
     ("failures", 0), ("failures", 1.5), ("successes", 1001), ("path", "x"), ("path", ""), ("path", 3)],
)  # fmt: skip
def test_a_health_checks_figures_have_theirs(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"health\.{name}"):
        check_config(replace(CONFIG, health=replace(CONFIG.health, **{name: value})))


@pytest.mark.parametrize(
    "address", [str(IPv4Address(0)), "224.0.0.1", "255.255.255.255", "::1", "localhost", "10.0.0.1/8", ""]
)
def test_an_address_is_somebodys(address: str) -> None:
    with pytest.raises(Refused, match="address"):
        check_endpoint(Endpoint("0-1", address, 80))


def test_only_one_that_drains_stands_by() -> None:
    with pytest.raises(Refused, match="standby"):
        check_endpoint(replace(held("0-1"), standby=True))
    check_endpoint(held("0-1", standby=True))


def test_what_users_may_write_passes() -> None:
    check_app("team", "a")
    check_config(CONFIG)
    check_config(replace(CONFIG, routes=(Route("a-b.c.test", "/v1/a%20b~c,d@e/"),), slots=0))
    check_config(replace(CONFIG, health=replace(CONFIG.health, path="/health?full=yes&a=b%3b")))
    check_split(header=("X-Canary", "team-a.1"), cookie=("canary_on", "1"))
    check_endpoint(held("12-345"))
