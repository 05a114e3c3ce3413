"""What is found of an instance: by its edges, by its engine, by a look at its container."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.reasons.marks import gettext_noop

FOUND: Mapping[str, str] = {
    # its health
    "process_exited": gettext_noop("its process is exited"),
    "process_missing": gettext_noop("its process is missing"),
    "process_paused": gettext_noop("its process is paused"),
    "process_restarting": gettext_noop("its process is restarting"),
    "ran_out_of_memory": gettext_noop("out of memory: limit %(limit)s, %(process)s"),
    "exec_unhealthy": gettext_noop("its own health command fails"),
    "exec_starting": gettext_noop("its own health command has not passed yet"),
    "no_edge": gettext_noop("no edge is alive to probe it"),
    "edge_silent": gettext_noop("%(edge)s has not probed it yet"),
    "edge_down": gettext_noop("%(edge)s reports it down"),
    "edge_says": gettext_noop("%(edge)s: %(words)s"),  # HAProxy's words, which stay as they are
    # how its container differs from what was made
    "memory_differs": gettext_noop("memory %(found)s instead of %(made)s bytes"),
    "cpu_differs": gettext_noop("CPU %(found)s instead of %(made)s thousandths"),
    "address_differs": gettext_noop("address %(found)s instead of %(made)s"),
    "address_lost": gettext_noop("address none instead of %(made)s"),
    "networks_differ": gettext_noop("attached to %(networks)s networks"),
    "paused": gettext_noop("paused"),
}
