"""All templates by their codes."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.reasons.found import FOUND
from scheduler.reasons.loop import LOOP
from scheduler.reasons.marks import gettext_noop
from scheduler.reasons.placement import PLACEMENT

JOINING: Mapping[str, str] = {
    "both": gettext_noop("%(first)s and %(rest)s"),
    "either": gettext_noop("%(first)s or %(rest)s"),
    "also": gettext_noop("%(first)s; %(rest)s"),
}

TEMPLATES: Mapping[str, str] = {**JOINING, **LOOP, **FOUND, **PLACEMENT}
