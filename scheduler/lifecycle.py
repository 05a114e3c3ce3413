"""The states of an instance and the moves between them.

    assigned -> started -> healthy <-> unhealthy
        any of these    -> draining -> withdrawn -> stopping -> gone

`assigned`: a node and an address are claimed, the container is not known to run. `started`: it runs, no verdict
yet. `draining`: its endpoint admits no new sessions. `withdrawn`: its endpoint key is removed, the edges have yet
to acknowledge that. `stopping`: it was sent its stop signal. `gone`: the container is removed and the claim given
back; the row remains as history.

A state never moves backwards except between healthy and unhealthy. What an instance cannot recover from ends in
a new instance in the same slot.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.StrEnum):
    ASSIGNED = "assigned"
    STARTED = "started"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    WITHDRAWN = "withdrawn"
    STOPPING = "stopping"
    GONE = "gone"

    @property
    def going(self) -> bool:
        """Whether the instance is on its way out: it no longer counts towards what is wanted."""
        return self in (State.DRAINING, State.WITHDRAWN, State.STOPPING, State.GONE)


NEXT: Mapping[State, frozenset[State]] = {
    State.ASSIGNED: frozenset({State.STARTED, State.WITHDRAWN}),
    State.STARTED: frozenset({State.HEALTHY, State.DRAINING, State.WITHDRAWN}),
    State.HEALTHY: frozenset({State.UNHEALTHY, State.DRAINING, State.WITHDRAWN}),
    State.UNHEALTHY: frozenset({State.HEALTHY, State.DRAINING, State.WITHDRAWN}),
    State.DRAINING: frozenset({State.WITHDRAWN}),
    State.WITHDRAWN: frozenset({State.STOPPING, State.GONE}),
    State.STOPPING: frozenset({State.GONE}),
    State.GONE: frozenset(),
}


def sources(then: State) -> tuple[State, ...]:
    """The states from which an instance may enter `then`: what a conditional update matches on."""
    return tuple(now for now in State if then in NEXT[now])
