"""Reasons as values, as JSON, and as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from scheduler.reasons.amounts import Amount, Unit
from scheduler.reasons.marks import gettext_noop
from scheduler.reasons.templates import TEMPLATES

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
FIGURES: Mapping[str, frozenset[str]] = {
    code: frozenset(_PLACEHOLDER.findall(template)) for code, template in TEMPLATES.items()
}
"""What each template has to be given."""

_COMMA = gettext_noop(", ")
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of `TEMPLATES` with the figures its sentence needs. `str()` gives the English sentence.

    A figure is a text or a number, an `Amount`, another `Reason`, or a tuple of these, which is said with commas.
    """

    code: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        return text(self)

    def __hash__(self) -> int:
        return hash((self.code, tuple(sorted(self.params.items()))))

    def as_dict(self) -> dict[str, Any]:
        """JSON, of which `from_dict` makes the same again."""
        params = dict(self.params)
        for name, value in self.params.items():
            kind = type(value)  # asked for in this way since this is done thousands of times for a cluster
            if kind is Amount or kind is Reason:
                params[name] = value.as_dict()
            elif kind is tuple:
                params[name] = stored(value)
        return {"code": self.code, "params": params}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Reason:
        """Takes what other versions wrote as well: codes that are unknown, and sentences in place of reasons."""
        return cls(value["code"], {name: restored(param) for name, param in value.get("params", {}).items()})


def because(code: str, /, **params: Any) -> Reason:
    """The reason `code`; raises `KeyError` or `TypeError` at once when the code or one of its figures is missing."""
    if params.keys() != FIGURES[code]:
        raise TypeError(f"{code} is said with {sorted(FIGURES[code])}, not {sorted(params)}")
    return Reason(code, params)


def joined(code: str, parts: Sequence[Part]) -> Part | Reason | None:
    """All of them in one, by a template with `first` and `rest`, such as `both`; None when there is none."""
    found: Part | Reason | None = None
    for part in reversed(parts):
        found = part if found is None else because(code, first=part, rest=found)
    return found


def text(value: object, translate: Callable[[str], str] = str) -> str:
    """A figure, a reason above all, as it reads; `translate` gives a template in the reader's language.

    Takes the value itself or what is stored of it: of an unknown code the code is said, a figure that an old row lacks
    leaves a gap, and a sentence in place of a reason stays as it is.
    """
    if isinstance(value, (str, int)):
        return str(value)
    match restored(value):
        case Reason(code, params):
            template = TEMPLATES.get(code)
            if template is None:
                return code
            return translate(template) % _Said({name: text(param, translate) for name, param in params.items()})
        case Amount() as amount:
            return amount.text(translate)
        case tuple() as parts:
            return translate(_COMMA).join(text(part, translate) for part in parts)
        case other:
            return str(other)


class _Said(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


def stored(value: object) -> Any:
    """JSON of a figure."""
    if isinstance(value, (Amount, Reason)):
        return value.as_dict()
    return [stored(part) for part in value] if isinstance(value, (tuple, list)) else value


def restored(value: object) -> Any:
    """The figure that such JSON stands for."""
    match value:
        case {"code": str(code), "params": Mapping() as params}:
            return Reason.from_dict({"code": code, "params": params})
        case {"amount": int(amount), "unit": "bytes" | "millicores" as unit}:
            return Amount(amount, Unit(unit))
        case list():
            return tuple(map(restored, value))
        case _:
            return value


def in_english(value: Any) -> Any:
    """Stored JSON with each reason and amount in it, however deep, as its English text."""
    match value:
        case {"code": str(), "params": Mapping()} | {"amount": int(), "unit": str()}:
            return text(value)
        case Reason() | Amount():
            return text(value)
        case Mapping():
            return {name: in_english(part) for name, part in value.items()}
        case tuple() | list():
            return [in_english(part) for part in value]
        case _:
            return value
