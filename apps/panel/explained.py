"""The placement's explanations in the reader's language.

The placement is pure and writes its figures into English sentences. Here each kind of sentence is recognised by its
pattern and said anew; what is not recognised stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext, gettext_noop

from apps.quantities import name_figure

_STATES: Mapping[str, str] = {
    "ready": gettext_noop("ready"),
    "cordoned": gettext_noop("cordoned"),
    "draining": gettext_noop("draining"),
    "down": gettext_noop("down"),
}
_AMOUNT = r"[0-9.]+(?: [A-Za-z]+)?"

_COMMA = re.compile(r", (?![^()]*\))")  # but not between the values of an expression

# Each pattern stands for one kind of sentence; its named parts fill the sentence beside it.
_SENTENCES = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"there are no nodes", gettext_noop("there are no nodes")),
        (
            r"(?P<placed>\d+) of (?P<wanted>\d+) placed, then ",
            gettext_noop("%(placed)s of %(wanted)s placed, then "),
        ),
        (r"0 of (?P<nodes>\d+) nodes fit: ", gettext_noop("no node of %(nodes)s fits: ")),
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
        # what single nodes lack
        (r"no taint in the way", gettext_noop("no taint in the way")),
        (r"not tolerated: (?P<taints>.+)$", gettext_noop("not tolerated: %(taints)s")),
        (r"wants (?P<nodes>.+), this is (?P<node>\S+)$", gettext_noop("wants %(nodes)s, this is %(node)s")),
        (r"needs a label (?P<label>\S+), it has none", gettext_noop("needs a label %(label)s, it has none")),
        (
            r"(?P<where>\S+ \S+) is not spread over: no node there can take an instance",
            gettext_noop("%(where)s is not spread over: no node there can take an instance"),
        ),
        (
            r"(?P<where>\S+ \S+) has (?P<there>\d+) instances,"
            r" the emptiest (?P<fewest>\d+); skew at most (?P<most>\d+)",
            gettext_noop("%(where)s has %(there)s instances, the emptiest %(fewest)s; skew at most %(most)s"),
        ),
        (
            r"wants to be on the same (?P<label>\S+) as (?P<app>[^\s:]+): ",
            gettext_noop("wants to be on the same %(label)s as %(app)s: "),
        ),
        (
            r"wants to be on another (?P<label>\S+) than (?P<app>[^\s:]+): ",
            gettext_noop("wants to be on another %(label)s than %(app)s: "),
        ),
        (r"(?P<there>\d+) instances of it run here", gettext_noop("%(there)s instances of it run here")),
        (r"no label (?P<label>\S+), \d+ instances there", gettext_noop("it has no label %(label)s")),
        (r"(?P<where>\S+ \S+), (?P<there>\d+) instances there", gettext_noop("%(where)s, %(there)s instances there")),
        # how many nodes lack what
        (
            r"taint not tolerated on (?P<nodes>\d+) \((?P<taints>[^)]*)\)",
            gettext_noop("taint not tolerated on %(nodes)s (%(taints)s)"),
        ),
        (r"(?P<nodes>\d+) not among (?P<node>[\w-]+)", gettext_noop("%(nodes)s not among %(node)s")),
        (
            r"(?P<most>\d+) instances of the app already on (?P<nodes>\d+)",
            gettext_noop("%(most)s instances of the app already on %(nodes)s"),
        ),
        (
            r"(?P<label>\S+) full or missing on (?P<nodes>\d+) \(at most (?P<most>\d+) a value\)",
            gettext_noop("%(label)s full or missing on %(nodes)s (at most %(most)s a value)"),
        ),
        (
            r"skew over (?P<label>\S+) above (?P<most>\d+) on (?P<nodes>\d+)",
            gettext_noop("skew over %(label)s above %(most)s on %(nodes)s"),
        ),
        (
            r"not on the same (?P<label>\S+) as (?P<app>\S+) on (?P<nodes>\d+)",
            gettext_noop("not on the same %(label)s as %(app)s on %(nodes)s"),
        ),
        (
            r"not on another (?P<label>\S+) than (?P<app>\S+) on (?P<nodes>\d+)",
            gettext_noop("not on another %(label)s than %(app)s on %(nodes)s"),
        ),
        # what would help
        (r"(?P<node>\S+) among the nodes it may run on", gettext_noop("%(node)s among the nodes it may run on")),
        (r"a toleration of (?P<taints>.+)$", gettext_noop("a toleration of %(taints)s")),
        (
            r"(?P<most>\d+) instances of the app allowed on one (?P<label>\S+)",
            gettext_noop("%(most)s instances of the app allowed on one %(label)s"),
        ),
        (r"a skew of (?P<most>\d+) over (?P<label>\S+)", gettext_noop("a skew of %(most)s over %(label)s")),
        (
            r"a label (?P<label>\S+) on node (?P<node>\S+)",
            gettext_noop("a label %(label)s on node %(node)s"),
        ),
        (r"an instance of (?P<app>\S+) on (?P<where>\S+ \S+)", gettext_noop("an instance of %(app)s on %(where)s")),
        (r"no instance of (?P<app>\S+) on (?P<where>\S+ \S+)", gettext_noop("no instance of %(app)s on %(where)s")),
        (r"(?P<expression>.+) no longer required", gettext_noop("%(expression)s no longer required")),
        (r"^1 more node$", gettext_noop("1 more node")),
        (r"\ba (?P<label>\S+) of its own", gettext_noop("a %(label)s of its own")),
        (
            r"(?P<needs>[0-9.]+ [A-Za-z]+) less (?P<figure>cpu|memory|disk) \(on node (?P<node>\S+)\)",
            gettext_noop("%(needs)s less %(figure)s (on node %(node)s)"),
        ),
        (
            r"(?P<count>\d+) fewer instances \(on node (?P<node>\S+)\)",
            gettext_noop("%(count)s fewer instances (on node %(node)s)"),
        ),
        (r"(?P<count>\d+) more node with ", gettext_noop("%(count)s more node with ")),
        (
            r"(?P<needs>[0-9.]+ [A-Za-z]+) (?P<figure>cpu|memory|disk) free",
            gettext_noop("%(needs)s of %(figure)s free"),
        ),
        (r"^(?P<expression>\S.*) on node (?P<node>\S+)$", gettext_noop("%(expression)s on node %(node)s")),
        (r"node (?P<node>\S+) ready again", gettext_noop("node %(node)s ready again")),
        (
            r"room is being made here for a higher priority",
            gettext_noop("room is being made here for a higher priority"),
        ),
        (r"room is being made on (?P<node>\S+)", gettext_noop("room is being made on %(node)s")),
        (r"(?P<nodes>\d+) kept for a higher priority", gettext_noop("%(nodes)s kept for a higher priority")),
        (r"node (?P<node>\S+) no longer kept", gettext_noop("node %(node)s no longer kept")),
        (
            r"(?P<there>\d+) of at most (?P<most>\d+) instances of the app run here",
            gettext_noop("%(there)s of at most %(most)s instances of the app run here"),
        ),
        (
            r"(?P<where>\S+ \S+): (?P<there>\d+) of at most (?P<most>\d+) instances of the app",
            gettext_noop("%(where)s: %(there)s of at most %(most)s instances of the app"),
        ),
        # what single nodes' points are about
        (r"^has it$", gettext_noop("has it")),
        (r"no node is known to have it", gettext_noop("no node is known to have it")),
        (rf"(?P<size>{_AMOUNT}) to fetch", gettext_noop("%(size)s to fetch")),
        (r"to fetch, of unknown size", gettext_noop("to fetch, of unknown size")),
        (r"the node is (?P<state>ready|cordoned|draining|down)", gettext_noop("the node is %(state)s")),
        (
            r"an instance of the app already on (?P<nodes>\d+)",
            gettext_noop("an instance of the app already on %(nodes)s"),
        ),
        (r"(?P<nodes>\d+) (?P<state>cordoned|draining|down)", gettext_noop("%(nodes)s %(state)s")),
    )
]


def explained(text: str) -> str:
    """One of the placement's sentences, or its summary, in the language of the page."""
    return gettext(" and ").join(map(_said, text.split(" and ")))


def _said(text: str) -> str:
    for pattern, sentence in _SENTENCES:
        text = pattern.sub(lambda found, said=sentence: gettext(said) % _parts(found), text)
    return _COMMA.sub(gettext(", "), text)


def _parts(found: re.Match[str]) -> dict[str, str]:
    parts = {name: _amount(text) for name, text in found.groupdict().items()}
    if "figure" in parts:
        parts["figure"] = name_figure(parts["figure"])
    if "state" in parts:
        parts["state"] = gettext(_STATES[parts["state"]])
    return parts


def _amount(text: str) -> str:
    amount, _space, unit = text.partition(" ")
    return gettext("%(cpu)s cores") % {"cpu": amount} if unit == "cores" else text
