"""When the sweeps run. Apart from the tasks themselves, so that beat needs to load nothing of what they do."""

from __future__ import annotations

SWEEP_UNSETTLED = "scheduler.sweep_unsettled"
SWEEP_ALL = "scheduler.sweep_all"
SWEEP_NODES = "scheduler.sweep_nodes"
SWEEP_CERTIFICATES = "scheduler.sweep_certificates"
PRUNE = "scheduler.prune"

REBALANCE = "scheduler.rebalance"

# Seconds between runs. The loop is prompt by events; these only bound how long a lost one is missed.
SCHEDULE = {
    "unsettled apps": {"task": SWEEP_UNSETTLED, "schedule": 5.0},
    "nodes": {"task": SWEEP_NODES, "schedule": 10.0},
    "certificates": {"task": SWEEP_CERTIFICATES, "schedule": 10.0},
    "rebalancing": {"task": REBALANCE, "schedule": 60.0, "args": (False,)},
    "all apps": {"task": SWEEP_ALL, "schedule": 60.0},
    "history": {"task": PRUNE, "schedule": 600.0},
}
