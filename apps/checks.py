"""What values of requests may look like, each mistake with one code and one sentence wherever it is made.

Specs, the other bodies of the API and the panel's forms are read with these. A check returns the value's normal form,
or raises `Wrong`.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from apps.errors import Problem
from apps.fields import check_name
from apps.quantities import parse_bytes, parse_cpu, show_bytes, show_cpu

Check = Callable[[object], Any]

# Far above any cluster, and within what databases count with: thousandths of a core, bytes, instances.
MOST = {"cpu": 10**9, "memory": 1 << 60, "disk": 1 << 60, "instances": 1_000_000}


class Wrong(ValueError):
    """A value that is not as it should be: a stable code and a sentence, without the field's path."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def required() -> Wrong:
    return Wrong("required", _("This is required."))


def no_object() -> Wrong:
    return Wrong("invalid_type", _("This is an object."))


def no_text() -> Wrong:
    return Wrong("invalid_type", _("This is a string."))


def too_long(longest: int) -> Wrong:
    return Wrong("too_long", _("This has at most %(longest)s characters.") % {"longest": longest})


def unreadable() -> Wrong:
    return Wrong("invalid_text", _("This holds a character that cannot be kept."))


def no_choice(choices: tuple[str, ...]) -> Wrong:
    return Wrong("invalid_choice", _("This is one of %(choices)s.") % {"choices": ", ".join(choices)})


def out_of_range(low: object, high: object) -> Wrong:
    return Wrong("out_of_range", _("This is from %(low)s to %(high)s.") % {"low": low, "high": high})


def text(value: object, longest: int) -> str:
    """Any text that can be stored and handed to a process: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise no_text()
    if len(value) > longest:
        raise too_long(longest)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise unreadable()
    return value


def name(value: object) -> str:
    """A name that may be given to something new."""
    try:
        return check_name(value)
    except Problem as problem:
        raise Wrong(problem.errors[0].code, problem.errors[0].message) from None


def integer(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(value: object) -> int:
        if isinstance(value, float) and math.isinf(value):  # what JSON makes of 1e999
            raise out_of_range(low, high)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong("invalid_type", _("This is a whole number."))
        if not low <= value <= high:
            raise out_of_range(low, high)
        return value

    return check


def number(text: str) -> int | str:
    """The whole number that a text is; the text where it is none, for a check to refuse."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,99}", text, re.ASCII) else text


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("invalid_type", _("This is true or false."))
    return value


def choice(of: type[enum.StrEnum]) -> Check:
    """One of the values of an enum."""
    return one_of(*of)


def one_of(*choices: str) -> Check:
    """One of these texts."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise no_choice(choices)
        return value

    return check


def amount(parse: Callable[[object], Any], show: Callable[[Any], Any], low: Any, high: Any) -> Check:
    """What `parse` makes of an amount as people write it, from `low` to `high`."""

    def check(value: object) -> Any:
        try:
            found = parse(value)
        except ValueError as error:
            raise Wrong("invalid_quantity", str(error)) from None
        if not low <= found <= high:
            raise out_of_range(show(low), show(high))
        return found

    return check


def quantity(parse: Callable[[object], Any], show: Callable[[Any], Any], low: Any, high: Any) -> Check:
    """Likewise, in its canonical form."""
    check = amount(parse, show, low, high)
    return lambda value: show(check(value))


cpu = amount(parse_cpu, show_cpu, 0, MOST["cpu"])
size = amount(parse_bytes, show_bytes, 0, MOST["memory"])
instances = integer(0, MOST["instances"])
