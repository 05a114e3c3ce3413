"""The placement's explanations in the reader's language.

The placement is pure and writes its figures into English sentences. Here each kind of sentence is recognised by its
pattern and said anew; what is not recognised stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext, gettext_noop

_FIGURES: Mapping[str, str] = {
    "cpu": gettext_noop("CPU"),
    "memory": gettext_noop("memory"),
    "disk": gettext_noop("disk"),
    "instances": gettext_noop("number of instances"),
}
_STATES: Mapping[str, str] = {
    "ready": gettext_noop("ready"),
    "cordoned": gettext_noop("cordoned"),
    "down": gettext_noop("down"),
}
_AMOUNT = r"[0-9.]+(?: [A-Za-z]+)?"

# Each pattern stands for one kind of sentence; its named parts fill the sentence beside it.
_SENTENCES = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"there are no nodes", gettext_noop("there are no nodes")),
        (
            r"(?P<placed>\d+) of (?P<wanted>\d+) placed, then ",
            gettext_noop("%(placed)s of %(wanted)s placed, then "),
        ),
        (r"0 of (?P<nodes>\d+) nodes fit: ", gettext_noop("none of %(nodes)s nodes fits: ")),
        (
            rf"(?P<figure>cpu|memory|disk|instances) short on (?P<nodes>\d+)"
            rf" \(needs (?P<needs>{_AMOUNT}), at most (?P<most>{_AMOUNT}) free\)",
            gettext_noop("%(figure)s short on %(nodes)s (needs %(needs)s, at most %(most)s free)"),
        ),
        (
            rf"(?P<figure>cpu|memory|disk|instances): needs (?P<needs>{_AMOUNT}),"
            rf" (?P<free>{_AMOUNT}) free of (?P<of>{_AMOUNT})",
            gettext_noop("%(figure)s: needs %(needs)s, %(free)s free of %(of)s"),
        ),
        (
            r"label (?P<expression>.+?) missing on (?P<nodes>\d+)",
            gettext_noop("label %(expression)s missing on %(nodes)s"),
        ),
        (
            r"needs (?P<expression>.+), it has no label (?P<label>\S+)",
            gettext_noop("needs %(expression)s, it has no label %(label)s"),
        ),
        (
            r"needs (?P<expression>.+), (?P<label>\S+) is (?P<value>\S+)",
            gettext_noop("needs %(expression)s, %(label)s is %(value)s"),
        ),
        (r"the node is (?P<state>cordoned|down)", gettext_noop("the node is %(state)s")),
        (
            r"an instance of the app already on (?P<nodes>\d+)",
            gettext_noop("an instance of the app already on %(nodes)s"),
        ),
        (r"(?P<nodes>\d+) (?P<state>cordoned|down)", gettext_noop("%(nodes)s %(state)s")),
    )
]


def explained(text: str) -> str:
    """One of the placement's sentences, or its summary, in the language of the page."""
    for pattern, sentence in _SENTENCES:
        text = pattern.sub(lambda found, said=sentence: gettext(said) % _parts(found), text)
    return text


def _parts(found: re.Match[str]) -> dict[str, str]:
    parts = found.groupdict()
    if "figure" in parts:
        parts["figure"] = gettext(_FIGURES[parts["figure"]])
    if "state" in parts:
        parts["state"] = gettext(_STATES[parts["state"]])
    return parts
