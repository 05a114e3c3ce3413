"""The spec as JSON Schema, for the API's description. What counts is `apps.applications.spec`, which checks it."""

from __future__ import annotations

from typing import Any

from apps.applications import canary_spec, http_spec
from apps.applications.placement_spec import HIGHEST, MOST_EXPRESSIONS, MOST_LABELS, MOST_NODES
from apps.applications.spec import MOST_REPLICAS, MOST_ROUTES
from apps.fields import NAME_PATTERN
from scheduler.model import Distinct, OnFailure, Protocol, StopSignal, Strategy

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


_HEADERS = _object(
    set={"type": "object", "additionalProperties": {"type": "string", "maxLength": 1000, "nullable": True}},
    remove={"type": "array", "items": {"type": "string", "maxLength": 64}, "maxItems": http_spec.MOST_HEADERS},
)
_PAGE = {"type": "string", "maxLength": http_spec.LONGEST_TEXT, "default": ""}
_HTTP = _object(
    sticky={"type": "boolean", "default": False, "description": "A client stays with its instance, by a cookie"},
    request_headers=_HEADERS,
    response_headers=_HEADERS,
    rate={
        "type": "integer",
        "minimum": 1,
        "maximum": http_spec.MOST_RATE,
        "nullable": True,
        "description": "Requests a second of one client's address at each edge; more are a 429",
    },
    max_body=_BYTES | {"nullable": True, "description": "Of a request; more is a 413, and no length a 411"},
    allow={
        "type": "array",
        "items": {"type": "string", "example": "192.0.2.0/24"},
        "maxItems": http_spec.MOST_NETWORKS,
        "description": "Networks that may ask; anyone else gets a 403. Empty: everyone",
    },
    users={
        "type": "object",
        "additionalProperties": {"type": "string", "nullable": True},
        "description": "Passwords by user, for basic authentication. Shown as ********, as the environment's values",
    },
    maintenance={"type": "boolean", "default": False, "description": "A 503 with a page; the instances run on"},
    maintenance_text=_PAGE,
    error_text=_PAGE | {"description": "On the pages for 502, 503 and 504"},
    timeout=_DURATION | {"description": "How long an instance may say nothing"},
)


def _list(items: dict[str, Any], most: int, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, **more}


_NAME: dict[str, Any] = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": 40}
_LABEL: dict[str, Any] = {"type": "string", "maxLength": 63, "example": "zone"}
_EXPRESSIONS = _list(_EXPRESSION, MOST_EXPRESSIONS)
_LIMITS = _list(
    _object(label=_LABEL, most={"type": "integer", "minimum": 1, "maximum": HIGHEST}) | {"required": ["label", "most"]},
    MOST_LABELS,
)
_AFFINITIES = _list(
    _object(app=_NAME, label=_LABEL | {"default": "node"}) | {"required": ["app"]},
    MOST_EXPRESSIONS,
)
_CONSTRAINTS: dict[str, dict[str, Any]] = {
    "nodes": _list(_NAME, MOST_NODES, description="None but these; empty: any"),
    "max_skew": _LIMITS | {"description": "No value of the label has so many instances more than the emptiest one"},
    "at_most": _LIMITS | {"description": "Instances on one value of the label; the label “node” means on one node"},
    "affinity": _AFFINITIES | {"description": "Only where this app of the group runs, on the same value of the label"},
    "anti_affinity": _AFFINITIES | {"description": "Never where it runs, which holds for both of them"},
}
_PLACEMENT = _object(
    spread=_list(_LABEL, MOST_LABELS, description="Wished for, not demanded"),
    require=_EXPRESSIONS,
    prefer=_list(
        {
            "oneOf": [
                _EXPRESSION,
                _object(
                    weight={"type": "integer", "minimum": 1, "maximum": HIGHEST, "default": 1},
                    require=_EXPRESSIONS,
                    **_CONSTRAINTS,
                ),
            ]
        },
        MOST_EXPRESSIONS,
        description="Expressions that weigh 1, and anything that can be demanded with a weight of its own",
    ),
    distinct_nodes={"type": "string", "enum": [d.value for d in Distinct], "default": "preferred"},
    tolerations=_list(
        _object(
            key=_LABEL | {"description": "Of the taint; * is every taint"},
            value={"type": "string", "maxLength": 63, "nullable": True, "description": "Null: whatever it is"},
        )
        | {"required": ["key"]},
        MOST_EXPRESSIONS,
    ),
    **_CONSTRAINTS,
)


def _mark(**name: Any) -> dict[str, Any]:
    """A header or a cookie that asks for the new release."""
    value = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"}
    described = {"nullable": True, "description": "Requests with it always get the new release"}
    return _object(name={"type": "string", **name}, value=value) | {"required": ["name", "value"]} | described


def _limit(most: float, description: str, **more: Any) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": most, "nullable": True, "description": description, **more}


_CANARY = _object(
    steps=_list(
        _object(
            weight={"type": "integer", "minimum": 0, "maximum": 100, "description": "Percent of the traffic"},
            duration=_DURATION | {"nullable": True, "description": "Null: until it is promoted"},
        )
        | {"required": ["weight"]},
        canary_spec.MOST_STEPS,
        description="Each with more of the traffic than the one before; after the last the new release gets all of it",
    ),
    header=_mark(pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$", example="X-Canary"),
    cookie=_mark(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
    errors=_limit(100, "Percent of its requests that may fail", default=5),
    errors_over=_limit(100, "Percentage points by which it may fail more often than the stable release"),
    latency=_DURATION | {"nullable": True, "description": "Within which 95 of 100 answers have to begin"},
    latency_over=_limit(1000, "How many times as long as with the stable release that may take", minimum=1),
    requests=_count(1, canary_spec.MOST_REQUESTS, 50)
    | {"description": "Of its own within a step, before it is judged or the step is over"},
)

SPEC: dict[str, Any] = _object(
    name=_NAME,
    image={"type": "string", "maxLength": 255, "example": "registry/web:1"},
    command=_texts(32 << 10, 256) | {"description": "Instead of the image's own"},
    env={
        "type": "object",
        "nullable": True,
        "additionalProperties": {"type": "string", "nullable": True},
        "description": "Values are shown as ********; that leaves a value as it is, null removes the variable, or all",
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
            extensions={
                "type": "array",
                "items": {"type": "string", "pattern": r"^\.?[A-Za-z0-9]{1,16}$"},
                "maxItems": http_spec.MOST_EXTENSIONS,
                "description": "Only paths that end in one of them; comes before every route without",
            },
            rewrite={
                "type": "string",
                "maxLength": 200,
                "nullable": True,
                "description": "The prefix that the app sees in place of the route's; / strips it",
            },
            redirect=_object(
                scheme={"type": "string", "enum": ["http", "https"], "nullable": True},
                host={"type": "string", "nullable": True},
                path={"type": "string", "maxLength": 200, "nullable": True},
                permanent={"type": "boolean", "default": False},
            )
            | {"nullable": True, "description": "What is null stays as it was asked for"},
        )
        | {"required": ["host"]},
    },
    http=_HTTP,
    expose={"type": "boolean", "default": False, "description": "Over TCP, at a port of the edges"},
    placement=_PLACEMENT,
    priority=_NAME | {"nullable": True, "description": "The name of a priority class; null: none, which is worth 0"},
    update=_object(
        strategy={"type": "string", "enum": [s.value for s in Strategy], "default": "rolling"},
        max_surge=_count(0, MOST_REPLICAS, 1),
        max_unavailable=_count(0, MOST_REPLICAS, 0),
        on_failure={"type": "string", "enum": [f.value for f in OnFailure], "default": "rollback"},
        deadline=_DURATION,
        drain=_DURATION,
        stop_signal={
            "type": "string",
            "enum": [s.value for s in StopSignal],
            "nullable": True,
            "description": "What tells an instance to end; null: its image's own",
        },
        stop_timeout=_DURATION,
        keep=_DURATION
        | {"description": "Blue-green, canary: how long the old instances stand by after the traffic moved"},
        min_ready=_DURATION
        | {"description": "How long a new instance is healthy before an old one goes because of it"},
        canary=_CANARY,
    ),
)

NEW_APP: dict[str, Any] = SPEC | {"required": ["name", "image"]}
APP_CHANGES: dict[str, Any] = SPEC | {"description": "What is given is merged into the spec (RFC 7396)"}
