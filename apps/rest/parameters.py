"""Query parameters of reads: declared once, for the description, for what is refused and for what is read.

A view lists its own in `query`; `apps.rest.views` refuses what is not in the list, and what is wrong of the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter

from apps import checks
from apps.checks import Check, Wrong
from apps.errors import FieldError, invalid


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how it is read, and `schema`, what the description says of its values."""

    name: str
    check: Check
    schema: Mapping[str, Any]
    description: str = ""
    default: Any = None

    def of(self, query: Mapping[str, str]) -> Any:
        """Its value, `default` where it is not given. Raises `Invalid`."""
        try:
            return self.read(query)
        except Wrong as wrong:
            raise invalid(self.name, wrong.code, str(wrong)) from None

    def read(self, query: Mapping[str, str]) -> Any:
        """Likewise. Raises `Wrong`."""
        value = query.get(self.name)
        return self.default if value is None else self.check(value)

    @property
    def described(self) -> OpenApiParameter:
        return OpenApiParameter(self.name, dict(self.schema), description=self.description)


def refusals(query: Mapping[str, str], known: Iterable[Parameter]) -> Iterator[FieldError]:
    """What is wrong with a query, one by one."""
    by_name = {parameter.name: parameter for parameter in known}
    for name in query:
        if name not in by_name:
            yield unknown(name)
            continue
        try:
            by_name[name].read(query)
        except Wrong as wrong:
            yield FieldError(name, wrong.code, str(wrong))


def unknown(name: str) -> FieldError:
    return FieldError(name, "unknown_parameter", _("There is no such parameter here."))


def whole(name: str, low: int, high: int, default: int, description: str) -> Parameter:
    check = checks.integer(low, high)
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return Parameter(name, lambda value: check(checks.number(str(value))), schema, description, default)


def choice(name: str, choices: Iterable[str], description: str = "") -> Parameter:
    known = tuple(map(str, choices))
    return Parameter(name, checks.one_of(*known), {"type": "string", "enum": list(known)}, description)


def text(name: str, description: str = "") -> Parameter:
    return Parameter(name, lambda value: checks.text(value, 10_000), {"type": "string"}, description)


def identifier(name: str, description: str = "") -> Parameter:
    return Parameter(name, _identifier, {"type": "string", "format": "uuid"}, description)


def flag(name: str, description: str) -> Parameter:
    return Parameter(name, as_flag, {"type": "boolean", "default": False}, description, default=False)


def as_flag(value: object) -> bool:
    """A flag of a query; one that is named without a value is meant."""
    found = {"": True, "1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
    return checks.boolean(found)


def _identifier(value: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise Wrong("invalid", _("This is no id.")) from None
