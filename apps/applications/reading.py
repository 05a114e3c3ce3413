"""Reading the fields of a JSON object one by one, noting what is wrong with each by its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps import checks
from apps.checks import Check, Wrong, text
from apps.errors import FieldError

_ABSENT = object()


class Fields:
    """The fields of the object at `path`. Those that are wrong are read as their default and noted in `errors`."""

    def __init__(self, data: Mapping[str, Any], path: str, errors: list[FieldError]) -> None:
        self._left = dict(data)
        self._path = path
        self._errors = errors
        self._before = len(errors)

    def take(self, name: str, check: Check, default: Any, *, null: Any = _ABSENT, required: bool = False) -> Any:
        """The field, checked; `default` where it is absent or null, unless a null of its own means `null`."""
        value = self._left.pop(name, _ABSENT)
        if value is None and null is not _ABSENT:
            return null
        if value is None or value is _ABSENT:
            if required:
                self._refuse(name, checks.required())
            return default
        try:
            return check(value)
        except Wrong as wrong:
            self._refuse(name, wrong)
            return default

    def inner(self, name: str) -> Fields:
        """The fields of the object `name`; of an empty one where it is absent or null."""
        value = self._left.pop(name, None)
        if not isinstance(value, dict | None):
            self._refuse(name, checks.no_object())
            value = None
        return Fields(value or {}, self._at(name), self._errors)

    def inner_or_none(self, name: str) -> Fields | None:
        """The fields of the object `name`; None where it is absent or null."""
        if self._left.get(name) is not None:
            return self.inner(name)
        self._left.pop(name, None)
        return None

    def has(self, name: str) -> bool:
        """Whether the field is given and not null, and not taken yet."""
        return self._left.get(name) is not None

    def empty(self, name: str) -> bool:
        """Whether the field is given as a list of nothing, and not taken yet."""
        return self._left.get(name) == []

    def names(self) -> list[str]:
        """The fields that nobody took yet."""
        return list(self._left)

    def each(self, name: str, most: int) -> list[Fields]:
        """The fields of every object in the list `name`."""
        return self.each_or(name, most, _no_object, lambda entry: entry)

    def each_or(self, name: str, most: int, check: Check, read: Callable[[Fields], Any]) -> list[Any]:
        """Every entry of the list `name`: of an object what `read` makes of its fields, else what `check` returns."""
        values = self._left.pop(name, None) or []
        if not isinstance(values, list) or len(values) > most:
            self.wrong(name, "invalid_list", _("This is a list of at most %(most)s entries.") % {"most": most})
            return []
        entries = []
        for index, value in enumerate(values):
            at = f"{name}[{index}]"
            if isinstance(value, dict):
                entries.append(read(Fields(value, self._at(at), self._errors)))
                continue
            try:
                entries.append(check(value))
            except Wrong as wrong:
                self._refuse(at, wrong)
        return entries

    @property
    def sound(self) -> bool:
        """Whether nothing was found to be wrong so far."""
        return len(self._errors) == self._before

    def wrong(self, name: str, code: str, message: str) -> None:
        self._errors.append(FieldError(self._at(name), code, message))

    def end(self) -> None:
        """Note every field that nobody took."""
        for name in self._left:
            self.wrong(name, "unknown_field", _("There is no such field."))

    def _refuse(self, name: str, wrong: Wrong) -> None:
        self.wrong(name, wrong.code, str(wrong))

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path and name else self._path or name


def _no_object(value: object) -> Any:
    raise checks.no_object()


def strings(check_one: Check, most: int) -> Check:
    """A list of at most `most` entries that each pass `check_one`."""

    def check(value: object) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise Wrong("invalid_list", _("This is a list of at most %(most)s entries.") % {"most": most})
        return [check_one(entry) for entry in value]

    return check


def texts(most: int, longest: int) -> Check:
    """A list of at most `most` strings of at most `longest` characters."""
    return strings(lambda value: text(value, longest), most)
