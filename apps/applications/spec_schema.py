"""The spec as JSON Schema, for the API's description. What counts is `apps.applications.spec`, which checks it."""

from __future__ import annotations

from typing import Any

from apps.applications.spec import MOST_REPLICAS, MOST_ROUTES
from apps.fields import NAME_PATTERN
from scheduler.model import Distinct, OnFailure, Protocol, Strategy

_DURATION: dict[str, Any] = {
    "oneOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)$"},
    ],
    "example": "2s",
}
_BYTES: dict[str, Any] = {
    "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]{1,18}([KMGTP]i?)?B?$"}],
    "example": "64MiB",
}
_CPU: dict[str, Any] = {
    "oneOf": [{"type": "number", "minimum": 0.01, "maximum": 1024}, {"type": "string", "pattern": "^[0-9]{2,6}m$"}],
    "example": 0.25,
}
_EXPRESSION = {"type": "string", "example": "disk == ssd"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _texts(longest: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "maxLength": longest}, "maxItems": most, "nullable": True}


def _count(low: int, high: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


SPEC: dict[str, Any] = _object(
    name={"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": 40},
    image={"type": "string", "maxLength": 255, "example": "registry/web:1"},
    command=_texts(32 << 10, 256) | {"description": "Instead of the image's own"},
    env={
        "type": "object",
        "additionalProperties": {"type": "string", "nullable": True},
        "description": "Values are shown as ********; that leaves a value as it is, null removes the variable",
    },
    port={
        "type": "integer",
        "minimum": 1,
        "maximum": 65535,
        "nullable": True,
        "description": "The image's own where it exposes one, else 8080",
    },
    protocol={"type": "string", "enum": [p.value for p in Protocol], "default": "http"},
    replicas=_count(1, MOST_REPLICAS, 1),
    resources=_object(cpu=_CPU, memory=_BYTES, disk=_BYTES),
    health=_object(
        path={
            "type": "string",
            "maxLength": 200,
            "nullable": True,
            "description": "Answers 2xx when healthy; null: a TCP connection is enough",
        },
        command=_texts(4096, 64) | {"description": "Run inside the container, and has to succeed as well"},
        interval=_DURATION,
        timeout=_DURATION,
        failures=_count(1, 100, 3),
        successes=_count(1, 100, 1),
        grace=_DURATION,
    ),
    routes={
        "type": "array",
        "maxItems": MOST_ROUTES,
        "items": _object(
            host={"type": "string", "example": "web.example.com"},
            path={"type": "string", "maxLength": 200, "default": "/"},
        )
        | {"required": ["host"]},
    },
    placement=_object(
        spread={"type": "array", "items": {"type": "string"}, "maxItems": 8},
        require={"type": "array", "items": _EXPRESSION, "maxItems": 32},
        prefer={"type": "array", "items": _EXPRESSION, "maxItems": 32},
        distinct_nodes={"type": "string", "enum": [d.value for d in Distinct], "default": "preferred"},
    ),
    update=_object(
        strategy={"type": "string", "enum": [s.value for s in Strategy], "default": "rolling"},
        max_surge=_count(0, MOST_REPLICAS, 1),
        max_unavailable=_count(0, MOST_REPLICAS, 0),
        on_failure={"type": "string", "enum": [f.value for f in OnFailure], "default": "rollback"},
        deadline=_DURATION,
        drain=_DURATION,
        stop_timeout=_DURATION,
        keep=_DURATION | {"description": "Blue-green: how long the old instances stand by after the traffic has moved"},
    ),
)

NEW_APP: dict[str, Any] = SPEC | {"required": ["name", "image"]}
APP_CHANGES: dict[str, Any] = SPEC | {"description": "What is given is merged into the spec (RFC 7396)"}
