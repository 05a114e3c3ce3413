"""Shapes that several resources share: strict bodies, amounts, reasons, problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps import checks
from apps.checks import MOST, Check, Wrong
from apps.fields import NAME_PATTERN
from apps.quantities import show_cpu
from apps.reasons import said
from scheduler.model import Resources
from scheduler.reasons import in_english, text


class Body(serializers.Serializer):
    """What a request may say. Fields that are not listed are refused."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            unknown = serializers.ErrorDetail(_("There is no such field."), code="unknown_field")
            errors = {name: [unknown] for name in data if name not in self.fields}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return value


def checked(check: Check, value: object) -> Any:
    """What `check` makes of a value, for a field."""
    try:
        return check(value)
    except Wrong as wrong:
        raise serializers.ValidationError(str(wrong), code=wrong.code) from None


class Whole(serializers.IntegerField):
    """A whole number from `min_value` to `max_value`."""

    def to_internal_value(self, data: object) -> int:
        return checked(checks.integer(self.min_value, self.max_value), data)


class Flag(serializers.BooleanField):
    """True or false, and nothing that reads like it."""

    def to_internal_value(self, data: object) -> bool:
        return checked(checks.boolean, data)


@extend_schema_field({"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": 40})
class NameField(serializers.Field):
    """A name for something new."""

    def to_internal_value(self, data: object) -> str:
        return checked(checks.name, data)

    def to_representation(self, value: str) -> str:
        return value


class NoBody(Body):
    """An empty object, or no body at all."""


class _Amount(serializers.Field):
    """0 or more of something, written in one of the ways of `apps.quantities`."""

    check: Check

    def to_internal_value(self, data: object) -> int:
        return checked(type(self).check, data)

    def to_representation(self, value: int) -> int:
        return value


_NUMBER_OR_TEXT = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}


@extend_schema_field(_NUMBER_OR_TEXT | {"description": "Cores, such as 0.25 or “250m”"})
class Cpu(_Amount):
    check = staticmethod(checks.cpu)


@extend_schema_field(_NUMBER_OR_TEXT | {"description": "Bytes, as a number or such as “64MiB”"})
class Bytes(_Amount):
    check = staticmethod(checks.size)


class Quota(Body):
    cpu = Cpu()
    memory = Bytes()
    disk = Bytes(default=0)
    instances = Whole(min_value=0, max_value=MOST["instances"])

    @staticmethod
    def value(data: Mapping[str, int]) -> Resources:
        return Resources(data["cpu"], data["memory"], data["disk"], data["instances"])


class Amounts(serializers.Serializer):
    """`scheduler.model.Resources` in figures to reckon with; `of` makes them from what is shown."""

    def __init__(self, *args: Any, of: Callable[[Any], Resources] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of = of

    def get_attribute(self, instance: Any) -> Resources:
        return self._of(instance) if self._of else super().get_attribute(instance)

    cpu = serializers.SerializerMethodField(help_text="Cores")
    memory = serializers.IntegerField(help_text="Bytes")
    disk = serializers.IntegerField(help_text="Bytes")
    instances = serializers.IntegerField()

    def get_cpu(self, amounts: Resources) -> float:
        return show_cpu(amounts.cpu)


class English(serializers.CharField):
    """A reason's sentence, in English; what older rows hold is one already."""

    def to_representation(self, value: object) -> str:
        return text(value)


class InEnglish(serializers.DictField):
    """Stored figures, with the English text of the reasons and amounts among them."""

    def to_representation(self, value: Mapping[str, Any]) -> Any:
        return in_english(value)


class Moment(serializers.DateTimeField):
    """A time that is stored as text, in the form that all times have."""

    def to_representation(self, value: str | datetime) -> Any:
        return super().to_representation(datetime.fromisoformat(value) if isinstance(value, str) else value)


class Reason(serializers.Serializer):
    """Why something is as it is."""

    code = serializers.CharField()
    params = InEnglish()
    message = serializers.SerializerMethodField(help_text="The sentence, in the language of the request")

    def get_message(self, reason: Mapping[str, Any]) -> str:
        return said(reason)


class ShortageSerializer(serializers.Serializer):
    """One reason against, over all nodes; there are some where no node would take one more instance."""

    filter = serializers.CharField()
    subject = serializers.CharField()
    nodes = serializers.IntegerField(help_text="Nodes on which it holds")
    alone = serializers.IntegerField(help_text="Nodes on which nothing else stands in the way")
    detail = English()
    remedy = English(help_text="The smallest change of this sort by which one more would fit, or empty")


class ProblemError(serializers.Serializer):
    field = serializers.CharField(help_text="Its path, such as `routes[0].host`")
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(serializers.Serializer):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable")
    detail = serializers.CharField()
    errors = ProblemError(many=True)
