"""When an edge takes its first request: not before it knows what to serve and whom to send it to.

A HAProxy that runs serves already, whatever became of its agent. One that is started begins with no server up, since
nobody has checked any; it would answer 503 until its checks have passed, or 404 before etcd was read, while those who
ask might have gone to another edge. So the files are filled and each endpoint is checked once before it is started.
"""

from __future__ import annotations

from scheduler.edge.state import Table

SYNC_WITHIN = 3.0  # seconds, after which an edge serves what it served before
PROVE_WITHIN = 2.0  # seconds that an endpoint which does not answer can keep the others waiting


class Opening:
    """What is waited for: first etcd, then the endpoints. `due`: until when at most."""

    def __init__(self, now: float) -> None:
        self.filled = False
        self.due = now + SYNC_WITHIN

    def may_fill(self, table: Table, synced: bool, now: float) -> bool:
        """Whether the files can be filled: etcd has been read, or does not say all in time.

        An etcd without an epoch has lost some apps, or is new. An edge that has nothing waits until it can read it.
        """
        if synced and table.epoch:
            return True
        return now >= self.due and (synced or bool(table.apps))

    def fill(self, now: float) -> None:
        """The files are filled, and the endpoints are being checked."""
        self.filled, self.due = True, now + PROVE_WITHIN
