"""The spec of an app as a form: text in, the API's own spec out.

Environment and routes are rows, as many as wanted. A variable that the app has already comes without its value, and
stays as it is unless a new one is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from apps.applications import http_spec
from apps.applications.canary_fields import FigureField, MarkField, StepsField
from apps.applications.fields import CommandField, LinesField, NumberField, SpecField
from apps.applications.placement_fields import AffinitiesField, LimitsField, PreferencesField, TolerationsField
from apps.applications.spec import parse
from apps.errors import FieldError
from apps.panel.forms import PanelForm
from scheduler.model import Distinct, OnFailure, Protocol, Strategy

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
    "http.rate": "rate",
    "http.max_body": "max_body",
    "http.allow": "allow",
    "http.timeout": "silence",
    "http.sticky": "sticky",
    "http.maintenance": "maintenance",
    "http.maintenance_text": "maintenance_text",
    "http.error_text": "error_text",
    "expose": "expose",
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


@dataclass
class Row:
    """One variable, or one route: two texts. `kept`: a variable that the app has, whose value is not shown."""

    first: str = ""
    second: str = ""
    kept: bool = False
    errors: list[str] = field(default_factory=list)


class SpecForm(PanelForm):
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

    rate = NumberField(_("Rate limit"), _("Requests a second of one client's address"))
    max_body = SpecField(_("Largest body"), _("Such as 10MiB"))
    allow = LinesField(_("Let in"), _("Networks, one a line; empty: everyone"))
    silence = SpecField(_("Silence"), _("How long an instance may say nothing"))
    sticky = forms.BooleanField(
        required=False, label=_("Sticky sessions"), help_text=_("A client stays with its instance, by a cookie")
    )
    maintenance = forms.BooleanField(
        required=False, label=_("Maintenance"), help_text=_("A page stands in for the app; its instances run on")
    )
    maintenance_text = SpecField(_("Maintenance text"), lines=2)
    error_text = SpecField(_("Error text"), _("On the pages for 502, 503 and 504"), lines=2)
    expose = forms.BooleanField(
        required=False, label=_("Expose over TCP"), help_text=_("At a port of the edges; for TCP alone")
    )

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
        spec = {"http": http_spec.defaults(), "expose": False, **spec}  # releases from before edges had options
        super().__init__(data, initial={name: _at(spec, path) for path, name in FIELDS.items()})
        self._spec = spec
        if data is None:
            self.env = [Row(name, kept=True) for name in sorted(spec["env"])]
            self.routes = [Row(route["host"], route["path"]) for route in spec["routes"]]
        else:
            self.env = _sent(data, "env")
            self.routes = _sent(data, "route")

    def as_spec(self) -> dict[str, Any]:
        """All that was sent, as the API takes it."""
        return self._spec_of(lambda name: True) | {"routes": self._routes(), "env": self._env()}

    def changes(self) -> dict[str, Any]:
        """What was sent and differs from what the form showed, so that changes of others meanwhile survive."""
        changes = self._spec_of(lambda name: name in self.changed_data)
        if self._routes() != self._spec["routes"]:
            changes["routes"] = self._routes()
        return changes | ({"env": env} if (env := self._env()) else {})

    def field_of(self, path: str) -> str:
        """The field whose path it is, or begins with."""
        known = path.partition("[")[0]
        while known and known not in FIELDS:
            known = known.rpartition(".")[0]
        return FIELDS.get(known, path)

    def refuse_field(self, error: FieldError) -> None:
        if route := _ROUTE.fullmatch(error.field):
            self.routes[int(route[1])].errors.append(error.message)
        elif rows := [row for row in self.env if error.field == f"env.{row.first}"]:
            rows[-1].errors.append(error.message)
        else:
            super().refuse_field(error)

    @property
    def opens(self) -> dict[str, bool]:
        """Which sections of the form hold an error, so that none hides one."""
        return {
            "canary" if name.startswith("canary_") else path.partition(".")[0]: True
            for path, name in FIELDS.items()
            if self.errors.get(name)
        }

    @property
    def refused(self) -> bool:
        return bool(self.errors) or any(row.errors for row in [*self.env, *self.routes])

    def _spec_of(self, wanted: Callable[[str], bool]) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        for path, name in FIELDS.items():
            if wanted(name):
                *sections, inner = path.split(".")
                into = spec
                for section in sections:
                    into = into.setdefault(section, {})
                into[inner] = self.cleaned_data[name]
        return spec

    def _routes(self) -> list[dict[str, Any]]:
        """The rows as routes. What the form has no field for stays with its host and path."""
        before = {(route["host"], route["path"]): route for route in self._spec["routes"]}
        rows = [(row.first, row.second or "/") for row in self.routes]
        return [{**before.get((host, path), {}), "host": host, "path": path} for host, path in rows]

    def _env(self) -> dict[str, str | None]:
        """New values by name; null for what was removed. Kept variables without a new value are left out."""
        gone = self._spec["env"].keys() - {row.first for row in self.env}
        return dict.fromkeys(sorted(gone)) | {row.first: row.second for row in self.env if row.second or not row.kept}


class NewAppForm(SpecForm):
    name = SpecField(_("Name"), _("Lower-case letters, digits and hyphens. It cannot be changed later"), required=True)

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, spec=defaults())
        if data is None:  # one empty row each shows what they are for
            self.env, self.routes = [Row()], [Row()]

    def as_spec(self) -> dict[str, Any]:
        return {"name": self.cleaned_data["name"], **super().as_spec()}


def defaults() -> dict[str, Any]:
    """The spec that an app has when nothing is said about it."""
    return {**parse({"name": "app", "image": "app"}).spec, "image": None}


def _at(spec: Mapping[str, Any], path: str) -> Any:
    value: Any = spec
    for name in path.split("."):
        value = value.get(name) if value is not None else None  # a release of before has no fields of today
    return value


def _sent(data: QueryDict, kind: str) -> list[Row]:
    """The rows as they were sent, without those that were left empty."""
    kept = data.getlist(f"{kind}_kept")
    pairs = zip(data.getlist(f"{kind}_first"), data.getlist(f"{kind}_second"), strict=False)
    rows = [Row(first.strip(), second.replace("\r\n", "\n"), first in kept) for first, second in pairs]
    return [row for row in rows if row.first or row.second.strip()]
