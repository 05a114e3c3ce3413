"""The expressions with which apps ask for nodes: `require`, `prefer`, and nothing else, use this grammar.

    disk == ssd          zone != a            exists gpu         cores > 4
    zone in (a, b)       zone not in (a, b)   not exists gpu     cores < 4

Words are letters, digits and `. _ - /`. The pseudo-label `node` stands for the node's name. A node without the
label satisfies `!=`, `not in` and `not exists`, as with Kubernetes' selectors. `>` and `<` compare whole numbers; a
label that is missing or no number satisfies neither.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

NODE = "node"

_WORD = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_COMPARISON = re.compile(rf"({_WORD})\s*(==|!=|>|<)\s*(\S.*)", re.ASCII)
_MEMBERSHIP = re.compile(rf"({_WORD})\s+(not\s+in|in)\s*\((.*)\)", re.ASCII)
_EXISTENCE = re.compile(rf"(not\s+exists|exists)\s+({_WORD})", re.ASCII)
_LABEL = re.compile(_WORD, re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_LONGEST = 1000


class Operator(enum.StrEnum):
    EQUAL = "=="
    NOT_EQUAL = "!="
    IN = "in"
    NOT_IN = "not in"
    EXISTS = "exists"
    NOT_EXISTS = "not exists"
    GREATER = ">"
    LESS = "<"


@dataclass(frozen=True, slots=True)
class Expression:
    """One parsed expression. `values` is empty for the two `exists`, has one entry for comparisons."""

    label: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels satisfies the expression; `node` must be among them if it is asked for."""
        return self.holds(labels.get(self.label))

    def holds(self, value: str | None) -> bool:
        """Whether the expression is satisfied when its label has this value; None when the node lacks the label."""
        match self.operator:
            case Operator.EQUAL | Operator.IN:
                return value in self.values
            case Operator.NOT_EQUAL | Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.NOT_EXISTS:
                return value is None
            case Operator.GREATER | Operator.LESS:
                if value is None or not _NUMBER.fullmatch(value):
                    return False
                greater = int(value) - int(self.values[0])
                return greater > 0 if self.operator is Operator.GREATER else greater < 0

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS | Operator.NOT_EXISTS:
                return f"{self.operator} {self.label}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.label} {self.operator} ({', '.join(self.values)})"
            case _:
                return f"{self.label} {self.operator} {self.values[0]}"


def parse(text: str) -> Expression:
    """The expression that `text` spells. Raises `ValueError` with a message for its author."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters")
    if found := _EXISTENCE.fullmatch(text):
        return Expression(found[2], Operator(" ".join(found[1].split())))
    if found := _MEMBERSHIP.fullmatch(text):
        values = tuple(_value(text, value) for value in found[3].split(","))
        return Expression(found[1], Operator(" ".join(found[2].split())), values)
    if found := _COMPARISON.fullmatch(text):
        operator, value = Operator(found[2]), _value(text, found[3])
        if operator in (Operator.GREATER, Operator.LESS) and not _NUMBER.fullmatch(value):
            raise ValueError(f"{text!r}: {operator} wants a whole number, not {value!r}")
        return Expression(found[1], operator, (value,))
    raise ValueError(
        f"{text!r} is no expression; write for instance 'disk == ssd', 'zone in (a, b)', 'exists gpu' or 'cores > 4'"
    )


def _value(text: str, value: str) -> str:
    value = value.strip()
    if not _LABEL.fullmatch(value) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{text!r}: {value!r} is no value; use letters, digits and . _ - /")
    return value
