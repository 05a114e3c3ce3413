"""Parts of an app's spec as forms: text in, the API's own spec out.

Nothing is checked here that `spec` checks; what it refuses is said at the field that it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from apps.errors import FieldError
from apps.panel.forms import PanelForm


@dataclass
class Row:
    """One of as many as wanted: two texts. `kept`: one that the app has, whose second text is not shown."""

    first: str = ""
    second: str = ""
    kept: bool = False
    errors: list[str] = field(default_factory=list)


class SpecPart(PanelForm):
    """Some fields of a spec."""

    paths: Mapping[str, str]  # the form's field for each path of the spec

    def __init__(self, data: QueryDict | None = None, *, spec: Mapping[str, Any]) -> None:
        """`spec` is what there is, of which the form shows its part."""
        super().__init__(data, initial={name: at(spec, path) for path, name in self.paths.items()})
        self._spec = spec

    def as_spec(self) -> dict[str, Any]:
        """All that was sent, as the API takes it."""
        return self._spec_of(lambda name: True)

    def changes(self) -> dict[str, Any]:
        """What was sent and differs from what the form showed, so that changes of others meanwhile survive."""
        return self._spec_of(lambda name: name in self.changed_data)

    def field_of(self, path: str) -> str:
        """The field whose path it is, or begins with."""
        known = path.partition("[")[0]
        while known and known not in self.paths:
            known = known.rpartition(".")[0]
        return self.paths.get(known, path)

    @property
    def refused(self) -> bool:
        return bool(self.errors)

    def _spec_of(self, wanted: Callable[[str], bool]) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        for path, name in self.paths.items():
            if wanted(name):
                *sections, inner = path.split(".")
                into = spec
                for section in sections:
                    into = into.setdefault(section, {})
                into[inner] = self.cleaned_data[name]
        return spec


def at(spec: Mapping[str, Any], path: str) -> Any:
    value: Any = spec
    for name in path.split("."):
        value = value.get(name) if value is not None else None  # a release of before has no fields of today
    return value


def sent(data: QueryDict, kind: str) -> list[Row]:
    """The rows as they were sent, without those that were left empty."""
    kept = data.getlist(f"{kind}_kept")
    pairs = zip(data.getlist(f"{kind}_first"), data.getlist(f"{kind}_second"), strict=False)
    rows = [Row(first.strip(), second.replace("\r\n", "\n"), first in kept) for first, second in pairs]
    return [row for row in rows if row.first or row.second.strip()]


def kept_and_new(before: Iterable[str], rows: Iterable[Row]) -> dict[str, str | None]:
    """New texts by name; null for what was removed. Kept rows without a new text are left out."""
    gone = set(before) - {row.first for row in rows}
    return dict.fromkeys(sorted(gone)) | {row.first: row.second for row in rows if row.second or not row.kept}


def refuse_row(error: FieldError, path: str, rows: Iterable[Row]) -> bool:
    """Say an error about one of the rows at `path` there; whether it was."""
    found = [row for row in rows if error.field == f"{path}.{row.first}"]
    if found:
        found[-1].errors.append(error.message)
    return bool(found)
