"""`./berth bench NAME [ARGUMENTS]`: one of the measurements in benchmarks/."""

from __future__ import annotations

import os
import subprocess
import sys

from cloud.supervisor.specs import ROOT


def main(arguments: list[str]) -> int:
    """Run it; without a name, say which there are."""
    folder = ROOT / "benchmarks"
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if not arguments or arguments[0] not in names:
        sys.stderr.write(f"usage: ./berth bench {{{','.join(names)}}} [ARGUMENTS]\n")
        return 2
    argv = [sys.executable, str(folder / f"{arguments[0]}.py"), *arguments[1:]]
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode
