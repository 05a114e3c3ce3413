"""The border: what of etcd's text may reach HAProxy's configuration, its maps and its socket.

Everything was checked before it was published. It is checked again here, against sets of characters that mean nothing
to HAProxy; what does not fit is refused with a reason and never rendered, whoever wrote it.
"""

from __future__ import annotations

import ipaddress
import re

from scheduler.discovery import AppConfig
from scheduler.model import Endpoint, HealthCheck, Route

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
INSTANCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
ROUTE_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~%@:+,-]+)+/?")
HEALTH_PATH = re.compile(r"/[A-Za-z0-9._~%@:+,/?&=-]*")

LONGEST_HOST, LONGEST_PATH = 253, 1024
MOST_SLOTS = 1024
LONGEST_TIME = 24 * 3600.0  # seconds
MOST_CHECKS = 1000  # in a row


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
    if type(endpoint.draining) is not bool:
        raise Refused("draining: is neither true nor false")


def _check_health(health: HealthCheck) -> None:
    if health.path is not None and (
        not isinstance(health.path, str) or len(health.path) > LONGEST_PATH or not HEALTH_PATH.fullmatch(health.path)
    ):
        raise Refused(f"health.path: {_shown(health.path)} has signs that a path may not have")
    for name in ("interval", "timeout"):
        value = getattr(health, name)
        if type(value) not in (int, float) or not 0 < value <= LONGEST_TIME:
            raise Refused(f"health.{name}: {_shown(value)} is not a number of seconds up to {LONGEST_TIME:.0f}")
    for name in ("failures", "successes"):
        if not _whole(getattr(health, name), 1, MOST_CHECKS):
            raise Refused(f"health.{name}: {_shown(getattr(health, name))} is not a number up to {MOST_CHECKS}")


def _check_route(route: Route) -> None:
    if (
        not isinstance(route.host, str)
        or len(route.host) > LONGEST_HOST
        or not all(LABEL.fullmatch(label) for label in route.host.split("."))
    ):
        raise Refused(f"route: {_shown(route.host)} is no host's name")
    if not isinstance(route.path, str) or len(route.path) > LONGEST_PATH or not ROUTE_PATH.fullmatch(route.path):
        raise Refused(f"route: {_shown(route.path)} has signs that a path may not have")


def _check_port(port: object) -> None:
    if not _whole(port, 1, 65535):
        raise Refused(f"port: {_shown(port)} is no port")


def _whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _shown(value: object) -> str:
    return ascii(value)[:80]
