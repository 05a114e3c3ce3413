"""The border: what of etcd's text may reach HAProxy's configuration, its maps and its socket.

Everything was checked before it was published. It is checked again here, against sets of characters that mean nothing
to HAProxy; what does not fit is refused with a reason and never rendered, whoever wrote it.
"""

from __future__ import annotations

import ipaddress
import re

from scheduler.discovery import AppConfig
from scheduler.model import Endpoint, HealthCheck, Route
from scheduler.routing import HttpOptions, Split

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
ROUTE_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~%@:+,-]+)+/?")
HEALTH_PATH = re.compile(r"/[A-Za-z0-9._~%@:+,/?&=-]*")
EXTENSION = re.compile(r"[a-z0-9]{1,16}")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,998}[!-~])?")
USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
CRYPT = re.compile(r"\$5\$(?:rounds=[0-9]{4,6}\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{43}")
COOKIE_KEY = re.compile(r"[0-9a-f]{16,64}")
COOKIE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MARK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # a header's or cookie's value that asks for the canary

MOST_EXTENSIONS, MOST_HEADERS, MOST_NETWORKS, MOST_USERS = 32, 64, 256, 64
MOST_RATE = 1_000_000  # requests a second
LARGEST_BODY = 1 << 50  # bytes
LONGEST_TEXT = 500  # signs; each may take ten bytes of a buffer of 16 KiB
LONGEST_HOST, LONGEST_PATH = 253, 1024
MOST_SLOTS = 1024
LONGEST_TIME = 24 * 3600.0  # seconds
MOST_CHECKS = 1000  # in a row
MOST_RELEASES = (1 << 31) - 1


class Refused(ValueError):
    """Text that must not reach HAProxy; says which and why, without repeating it raw."""


def check_app(group: str, app: str) -> None:
    for name in (group, app):
        if not NAME.fullmatch(name):
            raise Refused(f"{name!a} is no name")


def check_config(config: AppConfig) -> None:
    """Raise `Refused` unless all of it may be rendered."""
    _check_port(config.port)
    if not _whole(config.slots, 0, MOST_SLOTS):
        raise Refused(f"slots: {config.slots!a} is not a number up to {MOST_SLOTS}")
    _check_health(config.health)
    for route in config.routes:
        _check_route(route)
    _check_http(config.http)
    if config.cookie_key != "" and not _fits(COOKIE_KEY, config.cookie_key):
        raise Refused("cookie_key: has signs that it may not have")
    if config.canary is not None:
        _check_split(config.canary)
    if type(config.tcp_port) is not int or not (config.tcp_port == 0 or 1024 <= config.tcp_port <= 65535):
        raise Refused(f"tcp_port: {_shown(config.tcp_port)} is no port for apps")


def check_endpoint(endpoint: Endpoint) -> None:
    """Raise `Refused` unless all of it may be rendered."""
    if not INSTANCE.fullmatch(endpoint.instance):
        raise Refused(f"{endpoint.instance!a} is no instance's name")
    try:
        address = ipaddress.IPv4Address(endpoint.address)
    except ValueError:
        raise Refused(f"address: {endpoint.address!a} is no IPv4 address") from None
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        raise Refused(f"address: {endpoint.address!a} is nobody's")
    _check_port(endpoint.port)
    for name in ("draining", "canary", "standby"):
        if type(getattr(endpoint, name)) is not bool:
            raise Refused(f"{name}: is neither true nor false")
    if endpoint.standby and not endpoint.draining:
        raise Refused("standby: is for one that is draining")
    if endpoint.check != "":
        _check_health_path("check", endpoint.check)
    if not _whole(endpoint.release, 0, MOST_RELEASES):
        raise Refused(f"release: {_shown(endpoint.release)} is no release's number")


def _check_health(health: HealthCheck) -> None:
    if health.path is not None:
        _check_health_path("health.path", health.path)
    for name in ("interval", "timeout"):
        value = getattr(health, name)
        if type(value) not in (int, float) or not 0 < value <= LONGEST_TIME:
            raise Refused(f"health.{name}: {_shown(value)} is not a number of seconds up to {LONGEST_TIME:.0f}")
    for name in ("failures", "successes"):
        if not _whole(getattr(health, name), 1, MOST_CHECKS):
            raise Refused(f"health.{name}: {_shown(getattr(health, name))} is not a number up to {MOST_CHECKS}")


def _check_health_path(name: str, path: object) -> None:
    if not isinstance(path, str) or len(path) > LONGEST_PATH or not HEALTH_PATH.fullmatch(path):
        raise Refused(f"{name}: {_shown(path)} has signs that a path may not have")


def _check_route(route: Route) -> None:
    _check_host("route", route.host)
    _check_path("route", route.path)
    if len(route.extensions) > MOST_EXTENSIONS or not all(_fits(EXTENSION, each) for each in route.extensions):
        raise Refused(f"route.extensions: {_shown(route.extensions)} are not all extensions")
    if route.rewrite != "":
        _check_path("route.rewrite", route.rewrite)
    if (to := route.redirect) is not None:
        if to.scheme not in ("", "http", "https"):
            raise Refused(f"redirect.scheme: {_shown(to.scheme)} is none")
        if to.host != "":
            _check_host("redirect.host", to.host)
        if to.path != "":
            _check_path("redirect.path", to.path)
        if not (to.scheme or to.host or to.path) or type(to.permanent) is not bool:
            raise Refused("redirect: says not where to")


def _check_http(http: HttpOptions) -> None:
    for name in ("sticky", "maintenance"):
        if type(getattr(http, name)) is not bool:
            raise Refused(f"http.{name}: is neither true nor false")
    for kind in ("request", "response"):
        headers = getattr(http, kind)
        names = [*headers.remove, *(name for name, _ in headers.set)]
        if len(names) > MOST_HEADERS or not all(_fits(HEADER, name) for name in names):
            raise Refused(f"http.{kind}: {_shown(names)} are not all names of headers")
        if not all(_fits(HEADER_VALUE, value) for _, value in headers.set):
            raise Refused(f"http.{kind}: a value has signs that none may have")
    if not _whole(http.rate, 0, MOST_RATE) or not _whole(http.max_body, 0, LARGEST_BODY):
        raise Refused("http: rate and max_body are whole numbers within bounds")
    if len(http.allow) > MOST_NETWORKS:
        raise Refused(f"http.allow: more than {MOST_NETWORKS} networks")
    for network in http.allow:
        _check_network(network)
    if len(http.users) > MOST_USERS:
        raise Refused(f"http.users: more than {MOST_USERS}")
    for name, hashed in http.users:
        if not _fits(USER, name) or not _fits(CRYPT, hashed):
            raise Refused(f"http.users: {_shown(name)} has a name or a hash that HAProxy may not have")
    for name in ("maintenance_text", "error_text"):
        text = getattr(http, name)
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise Refused(f"http.{name}: is no text of at most {LONGEST_TEXT} signs")
    if type(http.timeout) not in (int, float) or not 0 < http.timeout <= LONGEST_TIME:
        raise Refused(f"http.timeout: {_shown(http.timeout)} is not a number of seconds up to {LONGEST_TIME:.0f}")


def _check_split(split: Split) -> None:
    if not _whole(split.weight, 0, 100):
        raise Refused(f"canary.weight: {_shown(split.weight)} is no share in percent")
    for kind, names, pair in (("header", HEADER, split.header), ("cookie", COOKIE_NAME, split.cookie)):
        if pair is not None and not (_fits(names, pair[0]) and _fits(MARK, pair[1])):
            raise Refused(f"canary.{kind}: {_shown(pair)} has signs that it may not have")


def _check_network(value: object) -> None:
    try:
        # not of a whole number: that would be an address
        network = ipaddress.ip_network(value) if isinstance(value, str) else None
    except ValueError:
        network = None
    if network is None or str(network) != value or "%" in str(network):
        raise Refused(f"http.allow: {_shown(value)} is no network")


def _check_host(field: str, host: object) -> None:
    if (
        not isinstance(host, str)
        or len(host) > LONGEST_HOST
        or not all(LABEL.fullmatch(label) for label in host.split("."))
    ):
        raise Refused(f"{field}: {_shown(host)} is no host's name")


def _check_path(field: str, path: object) -> None:
    if not _fits(ROUTE_PATH, path) or len(str(path)) > LONGEST_PATH:
        raise Refused(f"{field}: {_shown(path)} has signs that a path may not have")


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _check_port(port: object) -> None:
    if not _whole(port, 1, 65535):
        raise Refused(f"port: {_shown(port)} is no port")


def _whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _shown(value: object) -> str:
    return ascii(value)[:80]
