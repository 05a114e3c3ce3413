"""Fields of the app form for what it asks of nodes: one constraint a line, in a few words."""

from __future__ import annotations

import json
from typing import Any

from apps.applications.fields import LinesField
from scheduler.placement.labels import NODE


class EntriesField(LinesField):
    """A list of objects, one a line."""

    def show(self, value: list[Any]) -> str:
        return super().show([self.show_one(one) for one in value])

    def read(self, text: str) -> list[Any]:
        return [self.read_one(line) for line in super().read(text)]

    def show_one(self, value: Any) -> str:
        raise NotImplementedError

    def read_one(self, line: str) -> Any:
        raise NotImplementedError


class LimitsField(EntriesField):
    """`zone 1`."""

    def show_one(self, value: dict[str, Any]) -> str:
        return f"{value['label']} {value['most']}"

    def read_one(self, line: str) -> dict[str, Any]:
        label, _space, most = line.partition(" ")
        return {"label": label, "most": int(most) if most.strip().isdecimal() else most.strip() or None}


class AffinitiesField(EntriesField):
    """`db`: at the node; `db zone`: at the zone."""

    def show_one(self, value: dict[str, str]) -> str:
        return value["app"] if value["label"] == NODE else f"{value['app']} {value['label']}"

    def read_one(self, line: str) -> dict[str, str | None]:
        app, _space, label = line.partition(" ")
        return {"app": app, "label": label.strip() or None}


class TolerationsField(EntriesField):
    """`gpu`: with any value; `gpu=yes`; `gpu=`: without a value."""

    def show_one(self, value: dict[str, str | None]) -> str:
        return str(value["key"]) if value["value"] is None else f"{value['key']}={value['value']}"

    def read_one(self, line: str) -> dict[str, str | None]:
        key, equals, value = line.partition("=")
        return {"key": key.strip(), "value": value.strip() if equals else None}


class PreferencesField(EntriesField):
    """An expression, or an object of the API where more is to be said."""

    def show_one(self, value: str | dict[str, Any]) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    def read_one(self, line: str) -> Any:
        if not line.startswith("{"):
            return line
        try:
            return json.loads(line)
        except ValueError:
            return line
