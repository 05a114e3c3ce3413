"""The spec of an app as a form (`spec_forms`). What edges do with its requests is in `edge_forms`.

Environment and routes are rows, as many as wanted. A variable that the app has already comes without its value, and
stays as it is unless a new one is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from apps.applications.canary_fields import FigureField, MarkField, StepsField
from apps.applications.edge_forms import RULES, RulesFields
from apps.applications.fields import CommandField, LinesField, NumberField, SpecField
from apps.applications.placement_fields import AffinitiesField, LimitsField, PreferencesField, TolerationsField
from apps.applications.spec import parse
from apps.applications.spec_forms import Row, SpecPart, kept_and_new, refuse_row, sent
from apps.errors import FieldError
from scheduler.model import Distinct, OnFailure, Protocol, StopSignal, Strategy

# The form's field for each path of the spec.
FIELDS: Mapping[str, str] = {
    "image": "image",
    "command": "command",
    "port": "port",
    "protocol": "protocol",
    "replicas": "replicas",
    "resources.cpu": "cpu",
    "resources.memory": "memory",
    "resources.disk": "disk",
    "health.path": "health_path",
    "health.command": "health_command",
    "health.interval": "interval",
    "health.timeout": "timeout",
    "health.failures": "failures",
    "health.successes": "successes",
    "health.grace": "grace",
    "placement.spread": "spread",
    "placement.require": "require",
    "placement.prefer": "prefer",
    "placement.distinct_nodes": "distinct_nodes",
    "placement.max_skew": "max_skew",
    "placement.at_most": "at_most",
    "placement.affinity": "affinity",
    "placement.anti_affinity": "anti_affinity",
    "placement.nodes": "nodes",
    "placement.tolerations": "tolerations",
    "priority": "priority",
    "update.strategy": "strategy",
    "update.max_surge": "max_surge",
    "update.max_unavailable": "max_unavailable",
    "update.on_failure": "on_failure",
    "update.deadline": "deadline",
    "update.drain": "drain",
    "update.stop_signal": "stop_signal",
    "update.stop_timeout": "stop_timeout",
    "update.keep": "keep",
    "update.min_ready": "min_ready",
    "update.canary.steps": "canary_steps",
    "update.canary.header": "canary_header",
    "update.canary.cookie": "canary_cookie",
    "update.canary.errors": "canary_errors",
    "update.canary.errors_over": "canary_errors_over",
    "update.canary.latency": "canary_latency",
    "update.canary.latency_over": "canary_latency_over",
    "update.canary.requests": "canary_requests",
}
_ROUTE = re.compile(r"routes\[(\d+)\].*")


class SpecForm(SpecPart):
    """All of the spec but what edges do (`edge_forms`)."""

    paths = FIELDS

    image = SpecField(_("Image"), _("Such as registry.example.com/shop/web:1.4"), required=True)
    command = CommandField(_("Command"), _("Empty: the image's own"))
    port = NumberField(_("Port"), _("Where it listens in its container. Empty: the port that the image exposes"))
    protocol = forms.ChoiceField(
        required=False, label=_("Protocol"), choices=[(Protocol.HTTP.value, "HTTP"), (Protocol.TCP.value, "TCP")]
    )
    replicas = NumberField(_("Instances"))
    cpu = SpecField(_("CPU"), _("Cores, such as 0.25"))
    memory = SpecField(_("Memory"), _("Such as 64MiB"))
    disk = SpecField(_("Disk"), _("Such as 1GiB; 0B: none is kept for it"))

    health_path = SpecField(_("Path"), _("It must answer 2xx. Empty: a TCP connection is enough"))
    health_command = CommandField(_("Command"), _("Run inside the container; it must succeed as well"))
    interval = SpecField(_("Interval"), _("Between two checks"))
    timeout = SpecField(_("Timeout"), _("For one check"))
    failures = NumberField(_("Failures"), _("In a row, to leave the rotation"))
    successes = NumberField(_("Successes"), _("In a row, to enter it"))
    grace = SpecField(_("Grace"), _("To become healthy after the start"))

    spread = LinesField(_("Spread over"), _("Labels of nodes, one a line"))
    require = LinesField(_("Require"), _("Such as disk == ssd, one a line"))
    prefer = PreferencesField(_("Prefer"), _("Such as zone == a, one a line; with a weight as the API writes it"))
    distinct_nodes = forms.ChoiceField(
        required=False,
        label=_("A node for each instance"),
        choices=[
            (Distinct.PREFERRED.value, _("preferred")),
            (Distinct.REQUIRED.value, _("required")),
            (Distinct.OFF.value, _("not needed")),
        ],
    )
    max_skew = LimitsField(_("Maximum skew"), _("A label and a number: zone 1 keeps zones within one of each other"))
    at_most = LimitsField(_("At most"), _("A label and a number: node 2 is two instances on a node"))
    affinity = AffinitiesField(
        _("With apps"), _("An app of the group, on the same node: api; in the same zone: api zone")
    )
    anti_affinity = AffinitiesField(_("Apart from apps"), _("Likewise; it holds for both apps"))
    nodes = LinesField(_("None but these nodes"), _("Names, one a line. Empty: any"))
    tolerations = TolerationsField(_("Tolerated taints"), _("disk=ssd, or disk whatever its value, or * for all"))
    priority = SpecField(_("Priority class"), _("One that your admins made. Empty: none"))

    strategy = forms.ChoiceField(
        required=False,
        label=_("Strategy"),
        choices=[
            (Strategy.ROLLING.value, _("rolling: a few at a time")),
            (Strategy.RECREATE.value, _("recreate: never two at once")),
            (Strategy.BLUE_GREEN.value, _("blue-green: all new, then switch")),
            (Strategy.CANARY.value, _("canary: a part of the traffic first")),
        ],
    )
    max_surge = NumberField(_("Surge"), _("Instances above the wanted number"))
    max_unavailable = NumberField(_("Unavailable"), _("Instances that may be missing"))
    on_failure = forms.ChoiceField(
        required=False,
        label=_("When it fails"),
        choices=[
            (OnFailure.ROLLBACK.value, _("go back to the last good release")),
            (OnFailure.HOLD.value, _("leave it as it is")),
        ],
    )
    deadline = SpecField(_("Deadline"), _("For the whole update"))
    drain = SpecField(_("Drain"), _("For open sessions to end"))
    stop_signal = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        label=_("Stop signal"),
        choices=[("", _("image's own")), *((signal.value, signal.value) for signal in StopSignal)],
    )
    stop_timeout = SpecField(_("Stop timeout"), _("From the stop signal to the kill"))
    keep = SpecField(_("Stand-by"), _("Blue-green, canary: of the old instances after the switch"))
    min_ready = SpecField(_("Proving time"), _("New instances are healthy for so long before old ones go"))

    canary_steps = StepsField(_("Steps"), _("Percent of the traffic and how long, one a line: 5 10m; 25 hold"))
    canary_header = MarkField(_("Header"), _("Requests with it always get the new release: X-Canary=yes"))
    canary_cookie = MarkField(_("Cookie"), _("Likewise: canary=on"))
    canary_errors = FigureField(_("Errors"), _("Percent of its requests that may fail. Empty: not judged"))
    canary_errors_over = FigureField(_("Errors beyond"), _("Percentage points above the stable release"))
    canary_latency = SpecField(_("Latency"), _("Of 95 in 100 answers, such as 500ms. Empty: not judged"))
    canary_latency_over = FigureField(_("Latency beyond"), _("Times as long as with the stable release"))
    canary_requests = NumberField(_("Requests"), _("To the new release in a step, before it is judged"))

    def __init__(self, data: QueryDict | None = None, *, spec: Mapping[str, Any]) -> None:
        """`spec` is what the app has, or the defaults for a new one."""
        super().__init__(data, spec=spec)
        self.env = [Row(name, kept=True) for name in sorted(spec["env"])] if data is None else sent(data, "env")

    def as_spec(self) -> dict[str, Any]:
        return super().as_spec() | {"env": kept_and_new(self._spec["env"], self.env)}

    def changes(self) -> dict[str, Any]:
        env = kept_and_new(self._spec["env"], self.env)
        return super().changes() | ({"env": env} if env else {})

    def refuse_field(self, error: FieldError) -> None:
        if not refuse_row(error, "env", self.env):
            super().refuse_field(error)

    @property
    def opens(self) -> dict[str, bool]:
        """Which sections of the form hold an error, so that none hides one."""
        return {
            "canary" if name.startswith("canary_") else path.partition(".")[0]: True
            for path, name in self.paths.items()
            if self.errors.get(name)
        }

    @property
    def refused(self) -> bool:
        return super().refused or any(row.errors for row in self.env)


class NewAppForm(RulesFields, SpecForm):
    """A whole spec. Of routes it knows the address alone: what else they can do has a page of its own."""

    name = SpecField(_("Name"), _("Lower-case letters, digits and hyphens. It cannot be changed later"), required=True)
    paths = FIELDS | RULES

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, spec=defaults())
        self.routes = sent(data, "route") if data is not None else [Row()]
        if data is None:  # one empty row each shows what they are for
            self.env = [Row()]

    def as_spec(self) -> dict[str, Any]:
        routes = [{"host": row.first, "path": row.second or "/"} for row in self.routes]
        return {"name": self.cleaned_data["name"], **super().as_spec(), "routes": routes}

    def refuse_field(self, error: FieldError) -> None:
        if route := _ROUTE.fullmatch(error.field):
            self.routes[int(route[1])].errors.append(error.message)
        else:
            super().refuse_field(error)

    @property
    def opens(self) -> dict[str, bool]:
        return super().opens | ({"http": True} if any(row.errors for row in self.users) else {})

    @property
    def refused(self) -> bool:
        return super().refused or any(row.errors for row in self.routes)


def defaults() -> dict[str, Any]:
    """The spec that an app has when nothing is said about it."""
    return {**parse({"name": "app", "image": "app"}).spec, "image": None}
