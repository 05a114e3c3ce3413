"""The forms for nodes: enrolling one, and what ops may change of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.nodes.models import USUAL, Node
from apps.nodes.services import FIGURES, MOST_OVERCOMMIT, wrong_marks
from apps.panel.forms import PanelForm, cpu_field, name_field, size_field, whole_field
from scheduler.model import Resources
from scheduler.placement.values import Taint

_SOFT = " soft"


class LinesField(forms.CharField):
    """One entry a line."""

    widget = forms.Textarea

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class LabelsField(LinesField):
    """`zone=a`."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{name}={text}" for name, text in sorted(value.items())) if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, str]:
        pairs = [line.partition("=") for line in super().clean(value)]
        return {name.strip(): text.strip() for name, _equals, text in pairs}


class TaintsField(LinesField):
    """`gpu=yes`, `gpu`, or `gpu=yes soft`."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(_shown, value)) if isinstance(value, tuple) else value

    def clean(self, value: Any) -> list[Taint]:
        return [_read(line) for line in super().clean(value)]


def _shown(taint: Taint) -> str:
    return taint.key + (f"={taint.value}" if taint.value else "") + (_SOFT if taint.soft else "")


def _read(line: str) -> Taint:
    key, _equals, value = line.removesuffix(_SOFT).partition("=")
    return Taint(key.strip(), value.strip(), soft=line.endswith(_SOFT))


class LabelledForm(PanelForm):
    labels = LabelsField(
        label=_("Labels"),
        required=False,
        help_text=_("One a line, such as zone=a. Apps can require or prefer them."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, LinesField):
                field.widget.attrs |= {"rows": 4, "class": "form-control mono"}

    def clean(self) -> dict[str, Any]:
        sent: dict[str, Any] = super().clean() or {}
        for error in wrong_marks(sent.get("labels") or {}, sent.get("taints") or ()):
            self.refuse_field(error)
        return sent

    def field_of(self, path: str) -> str:
        """Every label and every taint has a path of its own (`labels.zone`); all belong to the one field."""
        for field in ("labels", "taints"):
            if path.startswith((f"{field}.", f"{field}[")):
                return field
        return path.removeprefix("system.").replace("overcommit.", "overcommit_")


class EnrolForm(LabelledForm):
    name = name_field(label=_("Name"))
    engine_url = forms.CharField(
        label=_("Address of its Docker Engine"),
        help_text=_("unix:///var/run/docker.sock on this machine, or tcp://host:port"),
    )
    field_order = ["name", "engine_url", "labels"]


class SettingsForm(LabelledForm):
    taints = TaintsField(
        label=_("Taints"),
        required=False,
        help_text=_(
            "One a line, such as disk=ssd: apps that do not tolerate it stay away. With soft behind it: if they can."
        ),
    )
    cpu = cpu_field(label=_("CPU (cores)"))
    memory = size_field(label=_("Memory"))
    disk = size_field(label=_("Disk"))
    overcommit_cpu = whole_field(USUAL, MOST_OVERCOMMIT, label=_("CPU (%)"))
    overcommit_memory = whole_field(USUAL, MOST_OVERCOMMIT, label=_("Memory (%)"))
    overcommit_disk = whole_field(USUAL, MOST_OVERCOMMIT, label=_("Disk (%)"))

    @staticmethod
    def of(node: Node) -> dict[str, Any]:
        """What the form shows at first."""
        system = node.system
        return {
            "labels": node.labels,
            "taints": node.kept_off_by,
            "cpu": system.cpu,
            "memory": system.memory,
            "disk": system.disk,
            **{f"overcommit_{figure}": percent for figure, percent in node.overcommit.items()},
        }

    def changes(self) -> dict[str, Any]:
        """What was sent, as the service takes it."""
        sent = self.cleaned_data
        return {
            "labels": sent["labels"],
            "taints": sent["taints"],
            "system": Resources(**{figure: sent[figure] for figure in FIGURES}),
            "overcommit": {figure: sent[f"overcommit_{figure}"] for figure in FIGURES},
        }
