"""A placement profile as a form: a preset, or a weight for each score and a check for each filter that is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from apps.panel.forms import PanelForm, name_field, whole_field
from apps.placement import rebalancing, services, words
from apps.placement.models import CUSTOM
from apps.placement.priorities import HIGHEST
from scheduler.placement.profiles import FILTER_NAMES, HEAVIEST, PHYSICS, PRESETS, SCORES, Profile


class RebalanceForm(PanelForm):
    most = whole_field(1, rebalancing.MOST, label=_("Moves a minute"))
    enabled = forms.BooleanField(label=_("Move instances by itself"), required=False)


class ProfileForm(PanelForm):
    preset = forms.ChoiceField(
        label=_("Profile"),
        choices=[*((name, words.PRESETS[name][0]) for name in PRESETS), (CUSTOM, _("Own weights"))],
    )

    def __init__(self, data: Any = None, *, profile: Profile) -> None:
        """`profile` is what the form shows at first."""
        super().__init__(data, initial={"preset": profile.name})
        for name in SCORES:
            label, hint = words.SCORES[name]
            self.fields[f"weight-{name}"] = forms.IntegerField(
                label=label,
                help_text=hint,
                required=False,
                initial=profile.weights.get(name, 0),
                widget=forms.NumberInput(
                    attrs={"class": "form-control", "min": 0, "max": HEAVIEST, "autocomplete": "off"}
                ),
            )
        for name in sorted(FILTER_NAMES - PHYSICS):
            self.fields[f"without-{name}"] = forms.BooleanField(
                label=words.FILTERS[name],
                required=False,
                initial=name in profile.without,
                widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
            )

    @property
    def weights(self) -> Iterator[BoundField]:
        return (self[name] for name in self.fields if name.startswith("weight-"))

    @property
    def left_out(self) -> Iterator[BoundField]:
        return (self[name] for name in self.fields if name.startswith("without-"))

    @property
    def open(self) -> bool:
        """Whether the weights matter, so that they should be seen."""
        return self["preset"].value() == CUSTOM or bool(self.errors)

    def profile(self) -> Profile:
        """What was sent. Raises `Invalid`."""
        sent = self.cleaned_data
        if sent["preset"] != CUSTOM:
            return services.parse(sent["preset"], None, None)
        weights = {name: sent[f"weight-{name}"] or 0 for name in SCORES}
        return services.parse(
            None, weights, [name for name in sorted(FILTER_NAMES - PHYSICS) if sent[f"without-{name}"]]
        )

    def field_of(self, path: str) -> str:
        return path.replace("weights.", "weight-")


class GroupsField(forms.CharField):
    """Names of groups, one a line; None where there are none."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str] | None:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()] or None


class PriorityForm(PanelForm):
    value = whole_field(
        -HIGHEST,
        HIGHEST,
        label=_("Priority"),
        help_text=_("A higher one may displace what has a lower one. Apps without a class have 0."),
    )
    protected = forms.BooleanField(label=_("Protected: never displaced and never moved"), required=False)
    groups = GroupsField(
        label=_("For these groups alone"), required=False, help_text=_("Names, one a line. Empty: for every group")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["groups"].widget.attrs |= {"rows": 2, "class": "form-control mono"}

    def field_of(self, path: str) -> str:
        return path.partition("[")[0]


class NewPriorityForm(PriorityForm):
    name = name_field(label=_("Name"))
    field_order = ["name", "value", "protected", "groups"]
