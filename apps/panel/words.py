"""The panel's words and colours for the values of the loop, which itself speaks no language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.applications.models import AppStatus
from apps.groups.models import Role
from apps.nodes.models import NodeState
from scheduler.lifecycle import State
from scheduler.model import OperationKind, OperationStatus, Process

STATES: Mapping[str, Promise] = {
    State.ASSIGNED: _("assigned"),
    State.STARTED: _("started"),
    State.HEALTHY: _("healthy"),
    State.UNHEALTHY: _("unhealthy"),
    State.DRAINING: _("draining"),
    State.WITHDRAWN: _("withdrawn"),
    State.STOPPING: _("stopping"),
    State.GONE: _("gone"),
}

PROCESSES: Mapping[str, Promise] = {
    Process.UNKNOWN: _("not seen yet"),
    Process.CREATED: _("created"),
    Process.RUNNING: _("running"),
    Process.RESTARTING: _("restarting"),
    Process.PAUSED: _("paused"),
    Process.EXITED: _("ended"),
    Process.MISSING: _("missing"),
}

OPERATION_KINDS: Mapping[str, Promise] = {
    OperationKind.CREATE: _("Create"),
    OperationKind.DEPLOY: _("Deploy"),
    OperationKind.SCALE: _("Scale"),
    OperationKind.ROLLBACK: _("Roll back"),
    OperationKind.RESTART: _("Restart"),
    OperationKind.STOP: _("Stop"),
    OperationKind.START: _("Start"),
    OperationKind.DELETE: _("Delete"),
}

OPERATION_NOUNS: Mapping[str, Promise] = {
    OperationKind.CREATE: pgettext_lazy("operation", "creation"),
    OperationKind.DEPLOY: pgettext_lazy("operation", "deployment"),
    OperationKind.SCALE: pgettext_lazy("operation", "scaling"),
    OperationKind.ROLLBACK: pgettext_lazy("operation", "rollback"),
    OperationKind.RESTART: pgettext_lazy("operation", "restart"),
    OperationKind.STOP: pgettext_lazy("operation", "stop"),
    OperationKind.START: pgettext_lazy("operation", "start"),
    OperationKind.DELETE: pgettext_lazy("operation", "deletion"),
}

OPERATION_STATUSES: Mapping[str, Promise] = {
    OperationStatus.PENDING: _("pending"),
    OperationStatus.RUNNING: _("running"),
    OperationStatus.SUCCEEDED: _("succeeded"),
    OperationStatus.FAILED: _("failed"),
    OperationStatus.ROLLED_BACK: _("rolled back"),
    OperationStatus.SUPERSEDED: _("superseded"),
    OperationStatus.CANCELLED: _("cancelled"),
}

APP_STATUSES: Mapping[str, Any] = {status.value: status.label for status in AppStatus}
ROLES: Mapping[str, Any] = {role.value: role.label for role in Role}
NODE_STATES: Mapping[str, Any] = {state.value: state.label for state in NodeState}

# Every status that a badge shows, and how much it matters: good, busy, warn, bad or quiet.
TONES: Mapping[str, str] = {
    AppStatus.PENDING: "busy",
    AppStatus.HEALTHY: "good",
    AppStatus.UPDATING: "busy",
    AppStatus.DEGRADED: "warn",
    AppStatus.FAILING: "bad",
    AppStatus.STOPPED: "quiet",
    AppStatus.DELETING: "quiet",
    NodeState.READY: "good",
    NodeState.CORDONED: "warn",
    NodeState.DRAINING: "warn",
    NodeState.DOWN: "bad",
    State.ASSIGNED: "busy",
    State.STARTED: "busy",
    State.UNHEALTHY: "bad",
    State.DRAINING: "warn",
    State.WITHDRAWN: "quiet",
    State.STOPPING: "quiet",
    State.GONE: "quiet",
    OperationStatus.RUNNING: "busy",
    OperationStatus.SUCCEEDED: "good",
    OperationStatus.FAILED: "bad",
    OperationStatus.ROLLED_BACK: "warn",
    OperationStatus.SUPERSEDED: "quiet",
    OperationStatus.CANCELLED: "quiet",
}

STEPS: Mapping[str, Promise] = {
    "place": _("Place instances on nodes"),
    "start": _("Start containers"),
    "health": _("Wait until the edges find them healthy"),
    "canary": _("Try the new release on a part of the traffic"),
    "retire": _("Retire what is no longer wanted"),
}

STEP_STATUSES: Mapping[str, tuple[Promise, str]] = {
    "waiting": (_("waiting"), "quiet"),
    "running": (_("running"), "busy"),
    "done": (_("done"), "good"),
    "failed": (_("failed"), "bad"),
    "unfinished": (_("unfinished"), "quiet"),
    "skipped": (_("skipped"), "quiet"),
}
