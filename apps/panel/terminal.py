"""What programs write for terminals, as text to read: without colours, movements and other commands."""

from __future__ import annotations

import re

_COMMANDS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, movements, erasing
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and the like, up to their end
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """`text` as it would stand there in the end: of a line that was written over, what was written last."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    last = _COMMANDS.sub("", line).rstrip("\r").rpartition("\r")[2]
    return _CONTROLS.sub("", last)
