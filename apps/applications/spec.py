"""The spec of an app: as the API takes and shows it, checked, and as the loop reads it.

    parse    JSON, or changes to an earlier spec -> the canonical spec and the environment; `Invalid` names every
             wrong field by its path
    as_spec  the canonical spec -> `scheduler.model.Spec`

The canonical spec is what releases store and answers show: every field is there, quantities are in their shortest
exact form, and the environment's values are masked. It can be sent back as it is.

Changes merge into what is there (RFC 7396): objects field by field, lists as a whole; null brings a field back to
its default, empties the environment and removes a variable of it. Two nulls mean something of their own: `health.path`
is a TCP check then, and `update.canary.errors` judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from apps.applications import canary_spec, grammar, http_spec, placement_spec
from apps.applications.reading import Fields, texts
from apps.applications.secrets import MASK, masked
from apps.checks import Wrong, boolean, choice, integer, quantity, text
from apps.errors import FieldError, Invalid
from apps.quantities import (
    parse_bytes,
    parse_cpu,
    parse_duration,
    show_bytes,
    show_cpu,
    show_duration,
)
from scheduler.model import (
    HealthCheck,
    OnFailure,
    Protocol,
    Resources,
    Spec,
    StopSignal,
    Strategy,
    UpdatePolicy,
)
from scheduler.routing import HttpOptions

DEFAULT_PORT = 8080  # for an image that exposes none
MOST_REPLICAS = 1000
MOST_ROUTES = 64
MOST_VARIABLES = 500
LONGEST_VALUE = 32 << 10  # characters
LARGEST_ENV = 256 << 10  # characters of all names and values: far below what execve takes
_HEALTH, _UPDATE = HealthCheck(), UpdatePolicy()
_RESOURCES = Spec(image="", digest="").resources


@dataclass(frozen=True, slots=True)
class Parsed:
    """A checked spec. `port` in it is None where it is left to the image (`with_port`)."""

    name: str
    spec: dict[str, Any]
    env: dict[str, str] = field(repr=False)


def parse(data: object, previous: Parsed | None = None) -> Parsed:
    """Check a whole spec, or changes to the `previous` one. Raises `Invalid` with every error there is."""
    errors: list[FieldError] = []
    if not isinstance(data, dict):
        raise Invalid([FieldError("", "invalid_type", _("This is an object."))])
    env = _env(data.get("env", {}), previous.env if previous else {}, errors)
    rest = {name: value for name, value in data.items() if name != "env"}
    if previous:
        before = {name: value for name, value in previous.spec.items() if name != "env"}
        rest = _merge({"name": previous.name, **before}, rest)
    fields = Fields(rest, "", errors)
    name = fields.take("name", grammar.name, "", required=True)
    if previous and name and name != previous.name:
        fields.wrong("name", "immutable", _("An app keeps its name."))
    spec = _spec(fields, _users(previous))
    fields.end()
    if errors:
        raise Invalid(errors)
    return Parsed(name, {**spec, "env": masked(env)}, env)


def with_port(spec: Mapping[str, Any], exposed: int | None) -> dict[str, Any]:
    """The spec with a port: its own, else the one that its image exposes."""
    return {**spec, "port": spec["port"] or exposed or DEFAULT_PORT}


def as_spec(spec: Mapping[str, Any], digest: str) -> Spec:
    """A canonical spec, with its port, as the loop reads it."""
    health, placement, update = spec["health"], spec["placement"], spec["update"]
    return Spec(
        image=spec["image"],
        digest=digest,
        command=tuple(spec["command"] or ()),
        port=spec["port"],
        protocol=Protocol(spec["protocol"]),
        replicas=spec["replicas"],
        resources=Resources(
            cpu=parse_cpu(spec["resources"]["cpu"]),
            memory=parse_bytes(spec["resources"]["memory"]),
            disk=parse_bytes(spec["resources"]["disk"]),
            instances=1,
        ),
        health=HealthCheck(
            path=health["path"],
            command=tuple(health["command"] or ()),
            interval=parse_duration(health["interval"]),
            timeout=parse_duration(health["timeout"]),
            failures=health["failures"],
            successes=health["successes"],
            grace=parse_duration(health["grace"]),
        ),
        routes=tuple(http_spec.as_route(route) for route in spec["routes"]),
        http=http_spec.as_http(spec["http"]) if "http" in spec else HttpOptions(),
        expose=spec.get("expose", False),
        placement=placement_spec.rules(placement),
        constraints=placement_spec.constraints(placement),
        preferences=placement_spec.preferences(placement),
        priority=spec.get("priority") or "",
        update=UpdatePolicy(
            strategy=Strategy(update.get("strategy", _UPDATE.strategy)),
            max_surge=update["max_surge"],
            max_unavailable=update["max_unavailable"],
            on_failure=OnFailure(update["on_failure"]),
            deadline=parse_duration(update["deadline"]),
            drain=parse_duration(update["drain"]),
            stop_signal=StopSignal(update["stop_signal"]) if update.get("stop_signal") else None,
            stop_timeout=parse_duration(update["stop_timeout"]),
            keep=parse_duration(update.get("keep", _UPDATE.keep)),
            min_ready=parse_duration(update.get("min_ready", _UPDATE.min_ready)),
            canary=canary_spec.policy(update.get("canary")),
        ),
    )


def _users(previous: Parsed | None) -> Mapping[str, str]:
    """The hashes of passwords that are there already, by user."""
    users: Mapping[str, str] = previous.spec.get("http", {}).get("users", {}) if previous else {}
    return users


def _spec(fields: Fields, users: Mapping[str, str]) -> dict[str, Any]:
    protocol = fields.take("protocol", choice(Protocol), Protocol.HTTP.value)
    spec = {
        "image": fields.take("image", grammar.image, "", required=True),
        "command": fields.take("command", texts(256, 32 << 10), None) or None,
        "port": fields.take("port", integer(1, 65535), None),
        "protocol": protocol,
        "replicas": fields.take("replicas", integer(1, MOST_REPLICAS), 1),
        "resources": _resources(fields.inner("resources")),
        "health": _health(fields.inner("health"), protocol),
        "routes": [http_spec.route(route) for route in fields.each("routes", MOST_ROUTES)],
        "http": http_spec.http(fields.inner("http"), users),
        "expose": fields.take("expose", boolean, False),
        "placement": placement_spec.read(fields.inner("placement")),
        "priority": fields.take("priority", grammar.name, None),
        "update": _update(fields.inner("update"), protocol),
    }
    if spec["routes"] and protocol != Protocol.HTTP:
        fields.wrong("routes", "not_http", _("Only apps that speak HTTP have routes."))
    if protocol != Protocol.HTTP and spec["http"] != http_spec.defaults():
        fields.wrong("http", "not_http", _("Only apps that speak HTTP have these options."))
    if spec["expose"] and protocol != Protocol.TCP:
        fields.wrong("expose", "not_tcp", _("Apps that speak HTTP have routes instead."))
    http_spec.check_routes(fields, spec["routes"])
    return spec


def _resources(fields: Fields) -> dict[str, Any]:
    cpu = quantity(parse_cpu, show_cpu, 10, 1024_000)
    memory = quantity(parse_bytes, show_bytes, 6 << 20, 64 << 40)  # Docker starts nothing with less
    disk = quantity(parse_bytes, show_bytes, 0, 1 << 50)
    resources = {
        "cpu": fields.take("cpu", cpu, show_cpu(_RESOURCES.cpu)),
        "memory": fields.take("memory", memory, show_bytes(_RESOURCES.memory)),
        "disk": fields.take("disk", disk, show_bytes(_RESOURCES.disk)),
    }
    fields.end()
    return resources


def _health(fields: Fields, protocol: str) -> dict[str, Any]:
    path = _HEALTH.path if protocol == Protocol.HTTP else None
    health = {
        "path": fields.take("path", grammar.health_path, path, null=None),
        "command": fields.take("command", texts(64, 4096), None) or None,
        "interval": fields.take("interval", _duration(0.2, 3600), show_duration(_HEALTH.interval)),
        "timeout": fields.take("timeout", _duration(0.05, 600), show_duration(_HEALTH.timeout)),
        "failures": fields.take("failures", integer(1, 100), _HEALTH.failures),
        "successes": fields.take("successes", integer(1, 100), _HEALTH.successes),
        "grace": fields.take("grace", _duration(0, 3600), show_duration(_HEALTH.grace)),
    }
    fields.end()
    return health


def _update(fields: Fields, protocol: str) -> dict[str, Any]:
    update = {
        "strategy": fields.take("strategy", choice(Strategy), _UPDATE.strategy.value),
        "max_surge": fields.take("max_surge", integer(0, MOST_REPLICAS), _UPDATE.max_surge),
        "max_unavailable": fields.take("max_unavailable", integer(0, MOST_REPLICAS), _UPDATE.max_unavailable),
        "on_failure": fields.take("on_failure", choice(OnFailure), _UPDATE.on_failure.value),
        "deadline": fields.take("deadline", _duration(1, 86400), show_duration(_UPDATE.deadline)),
        "drain": fields.take("drain", _duration(0, 3600), show_duration(_UPDATE.drain)),
        "stop_signal": fields.take("stop_signal", choice(StopSignal), None),
        "stop_timeout": fields.take("stop_timeout", _duration(0, 3600), show_duration(_UPDATE.stop_timeout)),
        "keep": fields.take("keep", _duration(0, 86400), show_duration(_UPDATE.keep)),
        "min_ready": fields.take("min_ready", _duration(0, 3600), show_duration(_UPDATE.min_ready)),
        "canary": canary_spec.read(fields.inner("canary")),
    }
    if update["strategy"] == Strategy.CANARY and protocol != Protocol.HTTP:
        fields.wrong("strategy", "not_http", _("Only apps that speak HTTP can be tried on a part of the traffic."))
    if not update["max_surge"] and not update["max_unavailable"]:
        fields.wrong("max_surge", "no_room", _("An update needs one of max_surge and max_unavailable above 0."))
    fields.end()
    return update


def _env(given: object, previous: Mapping[str, str], errors: list[FieldError]) -> dict[str, str]:
    """`previous` with what is given: null removes one or all, a mask leaves alone, all else is the value as it is."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        errors.append(FieldError("env", "invalid_type", _("This is an object.")))
        return {}
    env = dict(previous)
    for name, value in given.items():
        try:
            grammar.env_name(name)
            if value is None:
                env.pop(name, None)
            elif value != MASK:
                env[name] = text(value, LONGEST_VALUE)
            elif name not in previous:
                raise Wrong("masked", _("This is the mask of a value, not a value."))
        except Wrong as wrong:
            errors.append(FieldError(f"env.{name}", wrong.code, str(wrong)))
    if len(env) > MOST_VARIABLES or sum(len(name) + len(value) for name, value in env.items()) > LARGEST_ENV:
        errors.append(FieldError("env", "too_large", _("The environment is too large.")))
    return env


def _merge(before: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `before`; null stays, for `Fields` to make of it what it means there."""
    merged = dict(before)
    for name, value in changes.items():
        inner = merged.get(name)
        merged[name] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _duration(low: float, high: float) -> Any:
    return quantity(parse_duration, show_duration, low, high)
