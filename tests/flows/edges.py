"""A second edge of a whole Berth."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from tests import services
from tests.flows.installation import Berth
from tests.services import EdgeAgent


def edge_beside(berth: Berth, home: Path) -> AbstractContextManager[EdgeAgent]:
    """An edge in `home`, as it would be on another machine: it knows etcd, Redis and the keys of certificates."""
    etcd = ("127.0.0.1", int(berth.env["BERTH_ETCD_PORT"]))
    env = {
        "BERTH_EDGE_KEYS": berth.secret("edge-keys"),
        "BERTH_REDIS_URL": f"unix://{berth.home / 'run' / 'redis.sock'}",
    }
    return services.edge(home, etcd, name="other", env=env)
