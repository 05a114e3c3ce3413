"""From a kind's filters and scores to an explanation."""

from __future__ import annotations

import numpy as np

from scheduler.placement.explanation import Explanation, shortages
from scheduler.placement.filters.affinity import phrase
from scheduler.placement.kind import Kind
from scheduler.placement.units import RESOURCES, amount
from scheduler.placement.values import Bond, Request


def explain(kind: Kind, wanted: int, placed: int) -> Explanation:
    """How the nodes look to one more instance of the kind, `placed` of `wanted` being there already."""
    kind.check_version()
    state = kind.state
    view = kind.view.at(np.arange(state.size))
    checks = tuple(check for constraint in kind.filters for check in constraint.checks(view))
    points = []
    for weight, score in kind.scores:
        total = np.zeros(state.size, np.int64)
        for part in (score.fixed(view), score.points(view)):
            if part is not None:
                total += part
        points.append((score.name, score.subject(view), weight, total))
    pending = placed < wanted
    return Explanation(
        wanted,
        placed,
        state.names,
        checks,
        tuple(points),
        shortages(checks, state.size) if pending else (),
        _new_node(kind.request, kind) if pending else "",
    )


def _new_node(request: Request, kind: Kind) -> str:
    """What a node that joins would need, unless the request is bound to nodes or volumes that exist."""
    constraints = request.constraints
    if constraints.nodes or constraints.volumes:
        return ""
    needs = list(request.rules.require)
    needs += [f"{device.count} {device.name}" for device in constraints.devices]
    needs += [phrase(affinity) for affinity in constraints.affinities if affinity.bond is Bond.WITH]
    needs += [f"a {limit.label} of its own" for limit in constraints.at_most if limit.label != "node"]
    needs += [f"on the {skew.label} with fewest" for skew in constraints.skews]
    needs += [
        f"{amount(name, int(need))} {name} free"
        for name, need in zip(RESOURCES, kind.need.tolist(), strict=True)
        if need and name != "instances"
    ]
    return "1 more node with " + ", ".join(needs) if needs else "1 more node"
