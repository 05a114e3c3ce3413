"""The image of `server.py`: this Python, the modules that the server loads, the libraries that they need."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.images import build_image

SERVER = Path(__file__).parent / "server.py"
PYTHON = Path(sys.executable).resolve()
ISOLATED = ("-I", "-S", "-B")
# loads what the server does, and says from which files
LIST = """
import json, os, runpy, sys
runpy.run_path(sys.argv[1], run_name="server")
files = {getattr(module, "__file__", None) for module in sys.modules.values()} | {os.__file__}
print(json.dumps(sorted(file for file in files if file and file != sys.argv[1])))
"""


def build(tag: str) -> str:
    """Build it into the machine's engine; returns its id."""
    argv = [str(PYTHON), *ISOLATED, "-c", LIST, str(SERVER)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True)
    modules = json.loads(said.stdout)
    binaries = [str(PYTHON), *(name for name in modules if name.endswith(".so"))]
    files = {name: Path(name).read_bytes() for name in {*modules, *binaries, *libraries(binaries)}}
    files["/server.py"] = SERVER.read_bytes()
    return build_image(tag, files, (str(PYTHON), *ISOLATED, "/server.py"))


def libraries(binaries: list[str]) -> set[str]:
    """The shared libraries that these need, by the names under which the loader looks for them."""
    env = {**os.environ, "LC_ALL": "C"}
    told = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True, env=env).stdout
    return set(re.findall(r"(/\S+) \(0x", told))
