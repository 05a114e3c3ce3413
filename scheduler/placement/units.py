"""Amounts in the words that the panel uses."""

from __future__ import annotations

RESOURCES = ("cpu", "memory", "disk", "instances")

_BINARY = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def amount(resource: str, value: int, *, up: bool = False) -> str:
    """`value` of a resource in words: 250 of `cpu` is "0.25 cores", 512 << 20 of `memory` "512 MiB".

    Bytes are rounded to hundredths of their unit; with `up`, never down.
    """
    match resource:
        case "cpu":
            return f"{value / 1000:.3f}".rstrip("0").rstrip(".") + " cores"
        case "memory" | "disk":
            return _bytes(value, up)
        case _:
            return str(value)


def _bytes(value: int, up: bool) -> str:
    for unit, name in _BINARY:
        if abs(value) >= unit:
            hundredths = -(-value * 100 // unit) if up else round(value * 100 / unit)
            return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{value} B"
