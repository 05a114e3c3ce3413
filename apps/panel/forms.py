"""What the panel's forms have in common: Tabler's looks, amounts as people write them, and the services' refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps import checks
from apps.checks import Check, Wrong
from apps.errors import Conflict, FieldError, Problem
from apps.quantities import show_bytes, show_cpu


class PanelForm(forms.Form):
    """A form that looks like the panel. Fields are checked by the services; their errors come back with `refuse`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for field in self.fields.values():
            looks = "form-check-input" if isinstance(field.widget, forms.CheckboxInput) else "form-control"
            field.widget.attrs.setdefault("class", "form-select" if isinstance(field.widget, forms.Select) else looks)
            field.widget.attrs.setdefault("autocomplete", "off")
            field.error_messages["required"] = str(checks.required())

    def field_of(self, path: str) -> str:
        """The form's field for the path that a service's error is about."""
        return path

    def refuse(self, problem: Problem) -> None:
        """Show what a service refused, at the fields that it is about."""
        said = any(error.message == str(problem) for error in problem.errors)
        if not problem.errors or (isinstance(problem, Conflict) and not said):
            self.add_error(None, str(problem))
        for error in problem.errors:
            self.refuse_field(error)

    def refuse_field(self, error: FieldError) -> None:
        name = self.field_of(error.field)
        if name in self.fields:
            self.add_error(name, error.message)
        else:
            self.add_error(None, f"{error.field}: {error.message}")


class CheckedField(forms.CharField):
    """Text that one of `apps.checks` reads, as the API does."""

    def __init__(self, check: Check, show: Callable[[int], object] = str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check, self._show = check, show

    def prepare_value(self, value: Any) -> Any:
        return self._show(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return self._check(text)
        except Wrong as wrong:
            raise ValidationError(str(wrong)) from None


def name_field(**kwargs: Any) -> CheckedField:
    """A name for something new."""
    return CheckedField(checks.name, **kwargs)


def cpu_field(**kwargs: Any) -> CheckedField:
    """Cores in, thousandths out."""
    return CheckedField(checks.cpu, show_cpu, **kwargs)


def size_field(**kwargs: Any) -> CheckedField:
    """`64MiB` in, bytes out."""
    return CheckedField(checks.size, show_bytes, **kwargs)


def whole_field(low: int, high: int, **kwargs: Any) -> CheckedField:
    """A whole number."""
    check = checks.integer(low, high)
    widget = forms.NumberInput(attrs={"min": low, "max": high})
    return CheckedField(lambda text: check(checks.number(str(text))), widget=widget, **kwargs)
