"""What the loop found of an instance, in the reader's language.

`scheduler.health` and the comparison of containers write English phrases into the figures of their reasons. Here each
kind is recognised by its pattern and said anew; what an edge or an engine said itself stays as it is.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext, gettext_noop

FIGURES = ("verdict", "difference")  # of reasons, that hold such phrases

_PHRASES = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"out of memory: limit (?P<limit>[0-9.]+ [A-Za-z]+), ", gettext_noop("out of memory: limit %(limit)s, ")),
        (r"its process is exited", gettext_noop("its process has ended")),
        (r"its process is missing", gettext_noop("its container is missing")),
        (r"its process is paused", gettext_noop("its process is paused")),
        (r"its process is restarting", gettext_noop("its process is being restarted")),
        (r"its own health command fails", gettext_noop("its own health command fails")),
        (r"its own health command has not passed yet", gettext_noop("its own health command has not passed yet")),
        (r"no edge is alive to probe it", gettext_noop("no edge is alive to probe it")),
        (r"(?P<edge>[a-z0-9-]+) has not probed it yet", gettext_noop("%(edge)s has not probed it yet")),
        (r"(?P<edge>[a-z0-9-]+) reports it down", gettext_noop("%(edge)s reports it down")),
        (
            r"memory (?P<found>\d+) instead of (?P<made>\d+) bytes",
            gettext_noop("memory %(found)s instead of %(made)s bytes"),
        ),
        (
            r"CPU (?P<found>\d+) instead of (?P<made>\d+) thousandths",
            gettext_noop("CPU %(found)s instead of %(made)s thousandths"),
        ),
        (r"address (?P<found>\S+) instead of (?P<made>\S+)", gettext_noop("address %(found)s instead of %(made)s")),
        (r"attached to (?P<count>\d+) networks", gettext_noop("attached to %(count)s networks")),
        (r"^paused$", gettext_noop("paused")),
    )
]


def spoken(text: str) -> str:
    for pattern, sentence in _PHRASES:
        text = pattern.sub(lambda found, said=sentence: gettext(said) % found.groupdict(), text)
    return text
