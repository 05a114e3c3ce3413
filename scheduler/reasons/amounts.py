"""Amounts with their unit, put into words as late as they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scheduler.reasons.marks import gettext_noop

_CORES = gettext_noop("%(cpu)s cores")
_BINARY = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class Unit(StrEnum):
    MILLICORES = "millicores"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Amount:
    """So many bytes or thousandths of a core. `str()` gives it in English: "512 MiB", "0.25 cores"."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        return self.text(str)

    def text(self, translate: Callable[[str], str]) -> str:
        """Bytes are rounded to hundredths of their unit."""
        if self.unit is Unit.BYTES:
            return _bytes(self.amount)
        return translate(_CORES) % {"cpu": f"{self.amount / 1000:.3f}".rstrip("0").rstrip(".")}

    def as_dict(self) -> dict[str, Any]:
        return {"amount": self.amount, "unit": self.unit}


def rounded_up(size: int) -> int:
    """The least number of bytes that is no less than `size` and that `Amount` says without rounding."""
    unit = next((unit for unit, _ in _BINARY if size >= unit), 1)
    hundredths = -(-size * 100 // unit)
    return -(-hundredths * unit // 100)


def _bytes(value: int) -> str:
    for unit, name in _BINARY:
        if abs(value) >= unit:
            return f"{round(value * 100 / unit) / 100:.2f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{value} B"
