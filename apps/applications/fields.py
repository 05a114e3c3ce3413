"""Fields of the app form: each shows one kind of the spec's values as text and reads it back.

Nothing is checked that the services check as well: what makes no sense is handed to them as the text that it is.
"""

from __future__ import annotations

import shlex
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.checks import number


class SpecField(forms.CharField):
    """Text; empty means null, with which the API brings a field back to its default."""

    def __init__(self, label: Any, help_text: Any = "", *, lines: int = 1, required: bool = False) -> None:
        widget = forms.Textarea(attrs={"rows": lines}) if lines > 1 else forms.TextInput()
        widget.attrs["spellcheck"] = "false"
        super().__init__(label=label, help_text=help_text, widget=widget, required=required)

    def show(self, value: Any) -> str:
        return str(value)

    def read(self, text: str) -> Any:
        return text

    def prepare_value(self, value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else self.show(value)

    def clean(self, value: Any) -> Any:
        text = super().clean(value).replace("\r\n", "\n")
        return self.read(text) if text else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial) != (data or "").strip().replace("\r\n", "\n")


class NumberField(SpecField):
    def read(self, text: str) -> int | str:
        return number(text)


class CommandField(SpecField):
    """Words as a shell splits them; nothing is expanded."""

    def show(self, value: list[str]) -> str:
        return shlex.join(value)

    def read(self, text: str) -> list[str]:
        try:
            return shlex.split(text)
        except ValueError:
            raise ValidationError(_("A quotation mark is missing.")) from None


class LinesField(SpecField):
    """A list, one entry a line."""

    def __init__(self, label: Any, help_text: Any = "") -> None:
        super().__init__(label, help_text, lines=2)

    def show(self, value: list[str]) -> str:
        return "\n".join(value)

    def read(self, text: str) -> list[str]:
        return [line.strip() for line in text.split("\n") if line.strip()]
