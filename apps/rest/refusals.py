"""What REST framework refuses of a body, in the codes and sentences of `apps.checks`, by the path of each field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from apps import checks
from apps.checks import Wrong
from apps.errors import FieldError


def refusals(field: serializers.Field, detail: Any, path: str = "") -> Iterator[FieldError]:
    """The errors that `field` has found, one by one."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from refusals(field, inner, path)
            else:
                at = f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}" if path else str(name)
                yield from refusals(_inside(field, name), inner, at)
        return
    for index, each in enumerate(detail):
        if isinstance(each, str):
            wrong = _said(field, each, getattr(each, "code", "invalid"))
            yield FieldError(path, wrong.code, str(wrong))
        else:  # of a list of objects
            yield from refusals(field.child, each, f"{path}[{index}]")


def _inside(field: Any, name: object) -> serializers.Field:
    if isinstance(field, serializers.Serializer):
        return field.fields.get(name, field)  # one that is not known has nothing inside
    return field.child


def _said(field: serializers.Field, message: str, code: str) -> Wrong:
    match code, field:
        case "null", _field if not field.required:
            return Wrong("invalid_type", _("This cannot be null."))
        case (("required" | "null" | "blank"), _field):
            return checks.required()
        case "invalid_choice", serializers.ChoiceField():
            return checks.no_choice(tuple(map(str, field.choices)))
        case "max_length", serializers.CharField():
            return checks.too_long(field.max_length)
        case (("null_characters_not_allowed" | "surrogate_characters_not_allowed"), _field):
            return checks.unreadable()
        case "invalid", serializers.EmailField():
            return Wrong("invalid_email", _("This is no e-mail address."))
        case "invalid", serializers.CharField():
            return checks.no_text()
        case "invalid", serializers.BaseSerializer():
            return checks.no_object()
        case "not_a_dict", _field:
            return checks.no_object()
        case "not_a_list", _field:
            return Wrong("invalid_list", _("This is a list."))
        case _code, serializers.DateTimeField():
            return Wrong("invalid_time", _("This is a time such as 2030-01-31T12:00:00Z."))
    return Wrong(code, message)
