"""`./berth lint`: everything that can be said of the code without running it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cloud.supervisor.specs import MANAGE, ROOT

PYTHON = sys.executable


def main(arguments: list[str]) -> int:
    """Run every check, show what the failing ones say, and return 1 if any failed."""
    if arguments:
        sys.stderr.write("usage: ./berth lint\n")
        return 2
    failed = []
    with tempfile.TemporaryDirectory(prefix="berth-lint-") as home:
        for name, argv in _checks():
            began = time.monotonic()
            done = subprocess.run(
                argv,
                cwd=ROOT,
                env={**os.environ, "BERTH_HOME": home},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            mark = "FAIL" if done.returncode else "ok"
            sys.stdout.write(f"{mark:5} {name:26} {time.monotonic() - began:5.1f} s\n")
            if done.returncode:
                failed.append(name)
                sys.stdout.write(done.stdout + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"lint: {'failed: ' + ', '.join(failed) if failed else 'all is well'}\n")
    return 1 if failed else 0


def _checks() -> list[tuple[str, list[str]]]:
    tools = Path(PYTHON).parent
    return [
        ("formatting", [str(tools / "ruff"), "format", "--check", "."]),
        ("style", [str(tools / "ruff"), "check", "."]),
        ("types", [str(tools / "mypy")]),
        ("contracts", [str(tools / "lint-imports"), "--no-cache"]),
        ("templates", [str(tools / "djlint"), "templates", "--lint"]),
        ("shell", ["shellcheck", "berth", ".ci/run"]),
        ("migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"]),
        ("django", [*MANAGE, "check", "--fail-level", "WARNING"]),
        ("translations", [*MANAGE, "check_translations"]),
    ]
