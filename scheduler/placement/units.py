"""The amounts that nodes have and instances need."""

from __future__ import annotations

from scheduler.reasons import Amount, Unit

RESOURCES = ("cpu", "memory", "disk", "instances")

_UNITS = {"cpu": Unit.MILLICORES, "memory": Unit.BYTES, "disk": Unit.BYTES}


def amount(resource: str, value: int) -> Amount | int:
    """`value` of a resource with its unit; instances have none."""
    unit = _UNITS.get(resource)
    return value if unit is None else Amount(value, unit)
