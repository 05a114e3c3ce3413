"""`./berth COMMAND`: those that need no Django are here, one module a command; the rest is Django's.

A command is a function `main(arguments) -> exit code`. They import no more than they need: the supervisor stays in
memory, and `status` and `down` have to work when everything else is broken.
"""

from __future__ import annotations

import difflib
import importlib
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from cloud.config import ConfigError

OWN = ("up", "down", "status", "logs", "beat", "test", "lint", "bench")


def run(argv: list[str]) -> int:
    """Run `argv[1]` with the rest as its arguments and return its exit code."""
    try:
        if argv[1:] and argv[1] in OWN:
            return int(importlib.import_module(f"cloud.commands.{argv[1]}").main(argv[2:]))
        import django
        from django.core.management import execute_from_command_line, get_commands

        django.setup()  # without it Django knows its own commands alone
        commands = {*OWN, *get_commands(), "help"}
        if argv[1:] and argv[1] not in commands:
            return _unknown(argv[1], commands)
        execute_from_command_line(["berth", *argv[1:]])
    except ConfigError as error:
        sys.stderr.write(f"berth: {error}\n")
        return 2
    return 0


def _unknown(command: str, commands: Collection[str]) -> int:
    """Say which one may have been meant, and how Berth's own are used."""
    near = difflib.get_close_matches(command, commands, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    sys.stderr.write(f"berth: there is no command {command}{hint}\n\n")
    usage = [str(Path(__file__).resolve().parent.parent.parent / "berth"), "help"]
    subprocess.run(usage, stdout=sys.stderr, check=False)
    return 2
