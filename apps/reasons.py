"""Reasons in the reader's language: the one place where what the scheduler says is translated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from scheduler.reasons import Reason, text


def said(reason: Reason | Mapping[str, Any] | str | None) -> str:
    """A reason, as value or as it is stored, or a sentence that an older row holds in its place; empty for nothing.

    Plain text: pages escape it as any other.
    """
    if not reason:
        return ""
    return text(Reason.from_dict(reason) if isinstance(reason, Mapping) else reason, gettext)
