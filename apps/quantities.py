"""Amounts as people write them, and back: CPU, memory and disk, time.

Inside, CPU is in thousandths of a core, memory and disk in bytes, time in seconds. Every `parse_*` raises `ValueError`
with a sentence for whoever wrote the amount; every `show_*` gives what its `parse_*` takes. What is an amount and far
beyond any range is read as the end of all ranges, so that whoever checks the range says which it is.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

# The figures of `scheduler.model.Resources`, for sentences.
_FIGURES = {
    "cpu": gettext_noop("CPU"),
    "memory": gettext_noop("memory"),
    "disk": gettext_noop("disk"),
    "instances": gettext_noop("number of instances"),
}

_CPU = re.compile(r"(-?[0-9]{1,99})m|(-?[0-9]{1,99}(?:\.[0-9]{1,9})?)", re.ASCII)
_BYTES = re.compile(r"(-?[0-9]{1,99})(?:\.([0-9]{1,6}))?\s?([KMGTP]i?)?B?", re.ASCII)
_DURATION = re.compile(r"(-?[0-9]{1,99}(?:\.[0-9]{1,6})?)(ms|s|m|h)", re.ASCII)
_UNITS = {
    "": 1,
    **{unit + "i": 1 << 10 * power for power, unit in enumerate("KMGTP", 1)},
    **{unit: 10 ** (3 * power) for power, unit in enumerate("KMGTP", 1)},
}
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}

_FAR = 1 << 62  # what is read of anything beyond it, on either side: out of range, wherever ranges are checked


def parse_cpu(value: object) -> int:
    """Thousandths of a core from a number of cores (`0.25`) or a string (`"250m"`, `"0.25"`)."""
    if _is_number(value):
        millicores = 1000 * Decimal(str(value))
    elif isinstance(value, str) and (found := _CPU.fullmatch(value)):
        millicores = Decimal(found[1]) if found[1] else 1000 * Decimal(found[2])
    else:
        raise ValueError(_("CPU is a number of cores such as 0.25, or thousandths such as “250m”."))
    return int(_near(millicores).to_integral_value(ROUND_HALF_EVEN))


def parse_bytes(value: object) -> int:
    """Bytes from a number of bytes or a string (`"64MiB"`, `"1.5GiB"`, `"500MB"`)."""
    size = None
    if _is_number(value):
        size = _near(Decimal(str(value)))
    elif isinstance(value, str) and (found := _BYTES.fullmatch(value)):
        size = Decimal(int(_near(Decimal(f"{found[1]}.{found[2] or 0}") * _UNITS[found[3] or ""])))
    if size is None or size != int(size):
        raise ValueError(_("This is a number of bytes, or an amount such as “64MiB” or “1GiB”."))
    return int(size)


def parse_duration(value: object) -> float:
    """Seconds from a number of seconds or a string (`"500ms"`, `"2s"`, `"5m"`, `"1h"`)."""
    if _is_number(value):
        seconds = Decimal(str(value))
    elif isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        seconds = Decimal(found[1]) * _SECONDS[found[2]]
    else:
        raise ValueError(_("This is a number of seconds, or a time such as “500ms”, “2s” or “5m”."))
    return float(round(_near(seconds), 3))


def show_cpu(millicores: int) -> float | int:
    """Cores, as a whole number where it is one."""
    return millicores // 1000 if millicores % 1000 == 0 else millicores / 1000


def show_bytes(size: int) -> str:
    """The amount in the largest unit that divides it: nothing is rounded away."""
    for power in (5, 4, 3, 2, 1):
        if size and size % (1 << 10 * power) == 0:
            return f"{size >> 10 * power}{'KMGTP'[power - 1]}iB"
    return f"{size}B"


def show_duration(seconds: float) -> str:
    """The time in the largest unit that divides it."""
    milliseconds = round(seconds * 1000)
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def name_figure(figure: str) -> str:
    """One of the figures of `Resources`, in the reader's language."""
    return _(_FIGURES.get(figure, figure))


def show_figure(figure: str, amount: int) -> str:
    """An amount of one of the figures of `Resources`, for a sentence."""
    if figure == "cpu":
        return str(show_cpu(amount))
    return str(amount) if figure == "instances" else about_bytes(amount)


def about_bytes(size: int) -> str:
    """The amount for people: at most one decimal, in a unit that keeps it short."""
    for power in (5, 4, 3, 2, 1):
        if size >= 1 << 10 * power:
            amount = f"{size / (1 << 10 * power):.1f}".removesuffix(".0")
            return f"{amount} {'KMGTP'[power - 1]}iB"
    return f"{size} B"


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)  # infinity is what JSON makes of 1e999
    return isinstance(value, int) and not isinstance(value, bool)


def _near(amount: Decimal) -> Decimal:
    return max(Decimal(-_FAR), min(Decimal(_FAR), amount))
