"""Fields of the app form for canaries."""

from __future__ import annotations

import re
from typing import Any

from apps.applications.fields import SpecField
from apps.applications.placement_fields import EntriesField

HOLD = "hold"


class StepsField(EntriesField):
    """`5 10m`: five percent for ten minutes. `25` or `25 hold`: until it is promoted."""

    def show_one(self, value: dict[str, Any]) -> str:
        return f"{value['weight']} {value['duration'] or HOLD}"

    def read_one(self, line: str) -> dict[str, Any]:
        weight, _space, duration = line.replace("%", " ").partition(" ")
        said = duration.strip()
        number = int(weight) if re.fullmatch("[0-9]{1,9}", weight) else weight
        return {"weight": number, "duration": None if said in ("", HOLD) else said}


class MarkField(SpecField):
    """`X-Canary=yes`: a header's or a cookie's name and value."""

    def show(self, value: dict[str, str]) -> str:
        return f"{value['name']}={value['value']}"

    def read(self, text: str) -> dict[str, str]:
        name, _sign, value = text.replace(":", "=", 1).partition("=")
        return {"name": name.strip(), "value": value.strip()}


class FigureField(SpecField):
    """A number that need not be a whole one."""

    def show(self, value: float) -> str:
        return f"{value:g}"

    def read(self, text: str) -> float | str:
        return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else text
