"""`update.canary` of the spec: how a release is tried on a part of the traffic."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from apps.applications.reading import Fields
from apps.checks import Wrong, integer, out_of_range, quantity, text
from apps.quantities import parse_duration, show_duration
from scheduler.model import CanaryPolicy, CanaryStep

MOST_STEPS = 20
MOST_REQUESTS = 1_000_000
LONGEST_STEP = 7 * 86400.0  # seconds
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_COOKIE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MARK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DEFAULT = CanaryPolicy()


def read(fields: Fields) -> dict[str, Any]:
    """The canonical form. What is wrong is noted in the fields."""
    given = fields.has("steps")
    if fields.empty("steps"):
        fields.wrong("steps", "empty", _("A canary has one step at least. Null brings the usual ones back."))
    steps = [_step(step) for step in fields.each("steps", MOST_STEPS)]
    weights = [step["weight"] for step in steps]
    if any(after <= before for before, after in pairwise(weights)):
        fields.wrong("steps", "not_ascending", _("Each step has more of the traffic than the one before."))
    limit = quantity(parse_duration, show_duration, 0.001, 3600)
    canary = {
        "steps": steps if given and steps else [_shown(step) for step in _DEFAULT.steps],
        "header": _mark(fields, "header", _HEADER),
        "cookie": _mark(fields, "cookie", _COOKIE),
        "errors": fields.take("errors", number(0, 100), _DEFAULT.errors, null=None),
        "errors_over": fields.take("errors_over", number(0, 100), None),
        "latency": fields.take("latency", limit, None),
        "latency_over": fields.take("latency_over", number(1, 1000), None),
        "requests": fields.take("requests", integer(1, MOST_REQUESTS), _DEFAULT.requests),
    }
    fields.end()
    return canary


def policy(canary: Mapping[str, Any] | None) -> CanaryPolicy:
    """A canonical form, or that of a release from before there were canaries, as the loop reads it."""
    if canary is None:
        return _DEFAULT
    return CanaryPolicy(
        steps=tuple(
            CanaryStep(step["weight"], None if step["duration"] is None else parse_duration(step["duration"]))
            for step in canary["steps"]
        ),
        header=_pair(canary["header"]),
        cookie=_pair(canary["cookie"]),
        errors=canary["errors"],
        errors_over=canary["errors_over"],
        latency=None if canary["latency"] is None else parse_duration(canary["latency"]),
        latency_over=canary["latency_over"],
        requests=canary["requests"],
    )


def _step(fields: Fields) -> dict[str, Any]:
    duration = quantity(parse_duration, show_duration, 1, LONGEST_STEP)
    step = {
        "weight": fields.take("weight", integer(0, 100), 0, required=True),
        "duration": fields.take("duration", duration, None),
    }
    fields.end()
    return step


def _shown(step: CanaryStep) -> dict[str, Any]:
    return {"weight": step.weight, "duration": None if step.duration is None else show_duration(step.duration)}


def _mark(fields: Fields, name: str, names: re.Pattern[str]) -> dict[str, str] | None:
    """A header or a cookie that asks for the new release, by its name and value."""
    inner = fields.inner_or_none(name)
    if inner is None:
        return None
    mark = {
        "name": inner.take("name", _matching(names), "", required=True),
        "value": inner.take("value", _matching(_MARK), "", required=True),
    }
    inner.end()
    return mark


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def check(value: object) -> str:
        found = text(value, 200)
        if not pattern.fullmatch(found):
            raise Wrong("invalid_mark", _("This has letters, digits and . _ - and begins with a letter or a digit."))
        return found

    return check


def number(low: float, high: float) -> Callable[[object], float]:
    """A number from `low` to `high`, to two places."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Wrong("invalid_type", _("This is a number."))
        if not low <= value <= high:
            raise out_of_range(low, high)
        return round(float(value), 2)

    return check


def _pair(mark: Mapping[str, str] | None) -> tuple[str, str] | None:
    return None if mark is None else (mark["name"], mark["value"])
