"""Log lines of a process, as they come out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from cloud.supervisor.specs import ROOT

HEAD = """
import logging, structlog
from cloud import logs
logs.configure("INFO")
log = structlog.get_logger("mine")
"""


def lines_of(code: str) -> list[dict[str, Any]]:
    """What a process that runs `code` logs: one JSON object a line on standard error."""
    done = subprocess.run([sys.executable, "-c", HEAD + code], cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_one_json_object() -> None:
    (line,) = lines_of("log.info('placed', app='web', node='n1')")
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "placed", "app": "web", "node": "n1", "logger": "mine", "level": "info"}


def test_other_libraries_lines_look_the_same() -> None:
    (line,) = lines_of("logging.getLogger('theirs').warning('took %d s', 3)")
    assert (line["event"], line["logger"], line["level"]) == ("took 3 s", "theirs", "warning")


def test_secrets_are_masked_by_their_names_at_any_depth() -> None:
    (line,) = lines_of(
        "log.info('deploy', token='t0ps', spec={'env': {'KEY': 't0ps'}, 'port': 80}, db_password='t0ps')"
    )
    assert "t0ps" not in json.dumps(line)
    assert line["spec"] == {"env": "***", "port": 80}


def test_a_traceback_shows_no_values_of_variables() -> None:
    (line,) = lines_of(
        "def f(value):\n    1 / 0\ntry:\n    f('t0ps' * 2)\nexcept Exception:\n    log.exception('failed')"
    )
    assert "ZeroDivisionError" in line["exception"]
    assert "t0pst0ps" not in json.dumps(line)


def test_what_is_below_the_level_is_dropped() -> None:
    assert lines_of("log.debug('detail')") == []
