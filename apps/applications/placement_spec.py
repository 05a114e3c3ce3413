"""The `placement` of a spec: what an app asks of the nodes it runs on, checked, and as the placement reads it.

Apps that it names belong to its group. They need not exist: a group can be deployed in any order. An app that wants to
be with one that is not there waits for it, and its explanation says so; one that keeps apart from it is free.
Likewise the names of nodes, which may be enrolled later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps.applications import grammar
from apps.applications.reading import Fields, strings
from apps.checks import Wrong, choice, integer, text
from scheduler.model import Distinct, PlacementRules
from scheduler.placement import labels
from scheduler.placement.values import Affinity, AtMost, Bond, Constraints, Preference, Skew, Toleration

MOST_EXPRESSIONS = 32
MOST_LABELS = 8
MOST_NODES = 100
HIGHEST = 1000  # of a skew, of instances in one place, and of the weight of a preference
_DEFAULT = PlacementRules()


def read(fields: Fields) -> dict[str, Any]:
    """The canonical form; what is wrong is noted in the fields' errors."""
    placement = {
        "spread": fields.take("spread", strings(grammar.label_name, MOST_LABELS), list(_DEFAULT.spread)),
        "require": fields.take("require", strings(expression, MOST_EXPRESSIONS), []),
        "prefer": fields.each_or("prefer", MOST_EXPRESSIONS, expression, _preference),
        "distinct_nodes": fields.take("distinct_nodes", choice(Distinct), _DEFAULT.distinct_nodes.value),
        "tolerations": [_toleration(one) for one in fields.each("tolerations", MOST_EXPRESSIONS)],
        **_constraints(fields),
    }
    fields.end()
    return placement


def rules(placement: Mapping[str, Any]) -> PlacementRules:
    """Those of a canonical placement that every app has."""
    return PlacementRules(
        spread=tuple(placement["spread"]),
        require=tuple(placement["require"]),
        prefer=tuple(text for text in placement["prefer"] if isinstance(text, str)),
        distinct_nodes=Distinct(placement["distinct_nodes"]),
    )


def constraints(placement: Mapping[str, Any]) -> Constraints | None:
    """All other constraints of a canonical placement, or of a preference in it; None where there are none.

    What releases of before did not have is not there. Apps are named as in their group.
    """
    bonds = (("affinity", Bond.WITH), ("anti_affinity", Bond.APART))
    found = Constraints(
        nodes=frozenset(placement.get("nodes", ())),
        tolerations=tuple(Toleration(one["key"], one["value"]) for one in placement.get("tolerations", ())),
        skews=tuple(Skew(one["label"], one["most"]) for one in placement.get("max_skew", ())),
        at_most=tuple(AtMost(one["label"], one["most"]) for one in placement.get("at_most", ())),
        affinities=tuple(
            Affinity(bond, one["app"], one["label"]) for name, bond in bonds for one in placement.get(name, ())
        ),
    )
    return None if found == Constraints() else found


def preferences(placement: Mapping[str, Any]) -> tuple[Preference, ...]:
    """The preferences of a canonical placement that have a weight, or are no expression over labels."""
    return tuple(
        Preference(constraints(one) or Constraints(), tuple(one.get("require", ())), one["weight"])
        for one in placement["prefer"]
        if not isinstance(one, str)
    )


def expression(value: object) -> str:
    """An expression over labels in its usual form."""
    try:
        return str(labels.parse(text(value, 1000)))
    except Wrong:
        raise
    except ValueError as error:
        raise Wrong("invalid_expression", str(error)) from None


def _constraints(fields: Fields) -> dict[str, Any]:
    """What can be demanded and preferred alike, but for expressions."""
    return {
        "nodes": fields.take("nodes", strings(grammar.name, MOST_NODES), []),
        "max_skew": _once(fields, "max_skew", _limit),
        "at_most": _once(fields, "at_most", _limit),
        "affinity": [_affinity(one) for one in fields.each("affinity", MOST_EXPRESSIONS)],
        "anti_affinity": [_affinity(one) for one in fields.each("anti_affinity", MOST_EXPRESSIONS)],
    }


def _preference(fields: Fields) -> dict[str, Any] | str:
    """A preference with its weight. One that an expression alone would say is that expression."""
    weight = fields.take("weight", integer(1, HIGHEST), 1)
    wishes = {"require": fields.take("require", strings(expression, MOST_EXPRESSIONS), []), **_constraints(fields)}
    fields.end()
    wanted = {kind: wish for kind, wish in wishes.items() if wish}
    if not wanted and fields.sound:
        fields.wrong("require", "required", _("This is required."))
    if weight == 1 and wanted.keys() == {"require"} and len(wanted["require"]) == 1:
        return str(wanted["require"][0])
    return {"weight": weight, **wanted}


def _once(fields: Fields, kind: str, read_one: Callable[[Fields], dict[str, Any]]) -> list[dict[str, Any]]:
    """Limits over labels, of which each label has one."""
    found = [read_one(one) for one in fields.each(kind, MOST_LABELS)]
    seen = set()
    for index, one in enumerate(found):
        if one["label"] and one["label"] in seen:
            fields.wrong(f"{kind}[{index}].label", "duplicate", _("This label is listed twice."))
        seen.add(one["label"])
    return found


def _limit(fields: Fields) -> dict[str, Any]:
    limit = {
        "label": fields.take("label", grammar.label_name, "", required=True),
        "most": fields.take("most", integer(1, HIGHEST), 1, required=True),
    }
    fields.end()
    return limit


def _affinity(fields: Fields) -> dict[str, Any]:
    affinity = {
        "app": fields.take("app", grammar.name, "", required=True),
        "label": fields.take("label", grammar.label_name, labels.NODE),
    }
    fields.end()
    return affinity


def _toleration(fields: Fields) -> dict[str, Any]:
    toleration = {
        "key": fields.take("key", _taint_key, "", required=True),
        "value": fields.take("value", _taint_value, None),
    }
    fields.end()
    return toleration


def _taint_key(value: object) -> str:
    return "*" if value == "*" else grammar.label_name(value)


def _taint_value(value: object) -> str:
    return "" if value == "" else grammar.label_name(value)
