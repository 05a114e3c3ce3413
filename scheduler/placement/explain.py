"""From a kind's filters and scores to an explanation."""

from __future__ import annotations

import numpy as np

from scheduler.placement.explanation import Explanation, Points, least_changes, shortages
from scheduler.placement.kind import Kind
from scheduler.placement.newcomer import newcomer


def explain(kind: Kind, wanted: int, placed: int) -> Explanation:
    """How the nodes look to one more instance of the kind, `placed` of `wanted` being there already."""
    kind.check_version()
    state = kind.state
    view = kind.view.at(state.everyone)
    checks = tuple(check for constraint in kind.filters for check in constraint.checks(view))
    points = []
    for weight, score in kind.scores:
        total = np.zeros(state.size, np.int64)
        for part in (score.fixed(view), score.points(view)):
            if part is not None:
                total += part
        points.append(Points(score.name, score.subject(view), weight, total, score.details(view)))
    pending = placed < wanted
    joins = newcomer(kind) if pending else None
    return Explanation(
        wanted,
        placed,
        state.names,
        checks,
        tuple(points),
        shortages(checks, state.size) if pending else (),
        least_changes(checks, state.size) if pending else None,
        joins.reason() if joins else None,
    )
