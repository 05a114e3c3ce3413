"""`./berth COMMAND`: those that need no Django are here, one module a command; the rest is Django's.

A command is a function `main(arguments) -> exit code`. They import no more than they need: the supervisor stays in
memory, and `status` and `down` have to work when everything else is broken.
"""

from __future__ import annotations

import importlib
import sys

from cloud.config import ConfigError

OWN = ("up", "down", "status", "logs", "beat", "test", "lint", "bench")


def run(argv: list[str]) -> int:
    """Run `argv[1]` with the rest as its arguments and return its exit code."""
    try:
        if argv[1:] and argv[1] in OWN:
            return int(importlib.import_module(f"cloud.commands.{argv[1]}").main(argv[2:]))
        from django.core.management import execute_from_command_line

        execute_from_command_line(argv)
    except ConfigError as error:
        sys.stderr.write(f"berth: {error}\n")
        return 2
    return 0
