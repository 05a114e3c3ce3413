"""The states of an instance and the moves between them.

    assigned -> started -> healthy <-> unhealthy
        any of these    -> draining -> withdrawn -> gone

`assigned`: a node and an address are claimed, the container is not known to run. `started`: it runs, no verdict
yet. `draining`: its endpoint admits no new sessions. `withdrawn`: its endpoint key is removed, the edges have yet
to acknowledge that. `gone`: the container is removed and the claim given back; the row remains as history.

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
    GONE = "gone"

    @property
    def going(self) -> bool:
        """Whether the instance is on its way out: it no longer counts towards what is wanted."""
        return self in (State.DRAINING, State.WITHDRAWN, State.GONE)


NEXT: Mapping[State, frozenset[State]] = {
    State.ASSIGNED: frozenset({State.STARTED, State.WITHDRAWN, State.GONE}),
    State.STARTED: frozenset({State.HEALTHY, State.UNHEALTHY, State.DRAINING, State.WITHDRAWN, State.GONE}),
    State.HEALTHY: frozenset({State.UNHEALTHY, State.DRAINING, State.WITHDRAWN, State.GONE}),
    State.UNHEALTHY: frozenset({State.HEALTHY, State.DRAINING, State.WITHDRAWN, State.GONE}),
    State.DRAINING: frozenset({State.WITHDRAWN, State.GONE}),
    State.WITHDRAWN: frozenset({State.GONE}),
    State.GONE: frozenset(),
}


class IllegalMove(ValueError):
    """A move that the table does not have: a fault of Berth's own, never of a user's."""


def check_move(now: State, then: State) -> None:
    """Raise `IllegalMove` unless an instance in `now` may go to `then`."""
    if then not in NEXT[now]:
        raise IllegalMove(f"an instance cannot go from {now} to {then}")
