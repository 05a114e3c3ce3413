"""Why the loop does something, waits, or has come to an end."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.reasons.marks import gettext_noop

LOOP: Mapping[str, str] = {
    # why an instance is made
    "slot_empty": gettext_noop("slot %(slot)s has no instance"),
    "release_wanted": gettext_noop("release %(release)s wants slot %(slot)s anew"),
    "replaces_failed": gettext_noop("replaces generation %(generation)s in slot %(slot)s, which failed"),
    "relocated": gettext_noop("slot %(slot)s moves away from %(node)s"),
    # why an instance goes
    "node_drained": gettext_noop("node %(node)s is drained"),
    "rebalanced": gettext_noop("another node suits it better than %(node)s"),
    "displaced": gettext_noop("it makes room on %(node)s for what has a higher priority"),
    "stopped_on_request": gettext_noop("the app is stopped"),
    "deleted_on_request": gettext_noop("the app is deleted"),
    "scaled_down": gettext_noop("%(replicas)s instances are wanted, slot %(slot)s is beyond them"),
    "release_replaced": gettext_noop("release %(release)s took its place"),
    "superseded": gettext_noop("release %(release)s is no longer wanted"),
    "exited": gettext_noop("its process ended with code %(code)s"),
    "out_of_memory": gettext_noop("out of memory: limit %(limit)s, its process ended with code %(code)s"),
    "missing": gettext_noop("its container was removed behind Berth's back"),
    "drifted": gettext_noop("its container was changed behind Berth's back: %(difference)s"),
    "never_healthy": gettext_noop("not healthy within %(grace)s s: %(verdict)s"),
    "unhealthy": gettext_noop("unhealthy for %(seconds)s s: %(verdict)s"),
    "start_failed": gettext_noop("could not be started: %(error)s"),
    "address_taken": gettext_noop("address %(address)s of its network is used by something that is not Berth's"),
    "node_lost": gettext_noop("node %(node)s is lost"),
    "orphan": gettext_noop("container %(container)s carries Berth's labels and belongs to no instance"),
    # why an instance is as it is
    "placed": gettext_noop("placed on %(node)s"),
    "running": gettext_noop("its container runs"),
    "probe_up": gettext_noop("every edge reports it up"),
    "probe_down": gettext_noop("an edge reports it down: %(verdict)s"),
    "drained": gettext_noop("no edge holds a session on it"),
    "drain_expired": gettext_noop("sessions outlasted the drain time of %(seconds)s s"),
    # why the loop waits
    "backing_off": gettext_noop("failed %(failures)s times in a row, next try in %(seconds)s s"),
    "awaiting_health": gettext_noop("waiting until the edges report it up"),
    "awaiting_ready": gettext_noop("waiting until new instances have been healthy for %(seconds)s s"),
    "awaiting_drain": gettext_noop("waiting for its sessions to end"),
    "awaiting_edges": gettext_noop("waiting for %(edges)s to apply the change"),
    "awaiting_stop": gettext_noop("waiting for its process to end"),
    "awaiting_surge": gettext_noop("waiting for a newer instance to become healthy first"),
    "awaiting_another": gettext_noop("waiting until another instance is healthy, for this one is the last"),
    "awaiting_removal": gettext_noop("waiting until the instances before are gone"),
    "awaiting_switch": gettext_noop("waiting until all new instances are healthy, to move the traffic at once"),
    "canary_instances": gettext_noop(
        "waiting for %(instances)s healthy instances, to give the new release %(weight)s %% of the traffic"
    ),
    "canary_edges": gettext_noop("waiting for %(edges)s to give the new release %(weight)s %% of the traffic"),
    "canary_step": gettext_noop("the new release is tried on %(weight)s %% of the traffic"),
    "canary_held": gettext_noop("the new release has %(weight)s %% of the traffic until it is promoted"),
    "canary_blind": gettext_noop("nothing is known of what the edges measure, so the new release keeps its share"),
    "canary_unjudged": gettext_noop(
        "the new release answered %(requests)s requests, and %(wanted)s are needed to judge it"
    ),
    "canary_off": gettext_noop("the new release was given up and gets no request"),
    "standing_by": gettext_noop("instances of the release before stand by, to take the traffic back"),
    "awaiting_placement": "%(explanation)s",  # which says it all, and is the placement's
    "no_address": gettext_noop("no address is free in the group's network %(subnet)s"),
    # how an operation ends
    "converged": gettext_noop("all that was asked for is true"),
    "deadline": gettext_noop("not done within %(seconds)s s: %(verdict)s"),
    "kept_failing": gettext_noop("slot %(slot)s failed %(failures)s times: %(verdict)s"),
    "canary_errors": gettext_noop(
        "%(percent)s %% of %(requests)s requests to the new release failed; %(limit)s %% may"
    ),
    "canary_errors_over": gettext_noop(
        "%(percent)s %% of %(requests)s requests to the new release failed,"
        " and %(stable)s %% of those to the stable one"
    ),
    "canary_latency": gettext_noop(
        "one in twenty of %(requests)s requests to the new release took longer than %(seconds)s s;"
        " %(limit)s s are allowed"
    ),
    "canary_latency_over": gettext_noop(
        "one in twenty of %(requests)s requests to the new release took longer than %(seconds)s s,"
        " and %(stable)s s with the stable one"
    ),
    "canary_aborted": gettext_noop("%(user)s aborted it at %(weight)s %% of the traffic"),
    "kept_crashing": gettext_noop("its process crashed %(crashes)s times after it had been healthy"),
}
