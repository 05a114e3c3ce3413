"""`./berth test`: all tests on real parts, or, with arguments, those that the arguments name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from cloud.supervisor.specs import MANAGE, ROOT

POSTGRES = "postgres"
ENGINE, EDGE = "tests/real/scheduler/engine", "tests/real/edge"


@dataclass(frozen=True)
class Suite:
    """Tests that one run of pytest is given, on one kind of database. `name` is that of its report."""

    name: str
    title: str
    paths: tuple[str, ...]
    database: str = ""

    def report(self, folder: Path) -> Path:
        """Where pytest writes what became of them."""
        return folder / f"{self.name}.xml"


# One stage after another; in a stage the lanes run beside each other, one core each, and take about as long. No two
# lanes of a stage use the machine's engine: whole Berths look at all that is on it. Nor is a browser beside what makes
# networks: Chromium breaks off its requests when the machine's change (ERR_NETWORK_CHANGED).
STAGES = (
    (
        (Suite("web", "web, SQLite", ("tests/web",)),),
        (
            Suite("postgres", "web, PostgreSQL", ("tests/web",), POSTGRES),
            Suite("browser", "Chromium", ("tests/browser",)),
            Suite("engine", "real engines", (ENGINE,)),
        ),
    ),
    (
        (Suite("flows", "whole Berth", ("tests/flows",)),),
        (
            Suite("unit", "unit: no sockets", ("tests/unit",)),
            Suite("real", "real etcd, Redis and processes", ("tests/real", f"--ignore={ENGINE}", f"--ignore={EDGE}")),
            Suite("edge", "real HAProxy", (EDGE,)),
        ),
    ),
)
PRINTING = threading.Lock()


@dataclass
class Counts:
    """What became of the tests of all suites together."""

    seen: dict[str, int] = field(default_factory=lambda: {"failed": 0, "passed": 0, "skipped": 0, "errors": 0})

    def add(self, report: Path) -> None:
        """Count one suite's JUnit report; a suite that wrote none failed as a whole."""
        if not report.exists():
            self.seen["errors"] += 1
            return
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it
            bad = {name: int(suite.get(name, 0)) for name in ("failures", "errors", "skipped")}
            self.seen["failed"] += bad["failures"]
            self.seen["errors"] += bad["errors"]
            self.seen["skipped"] += bad["skipped"]
            self.seen["passed"] += int(suite.get("tests", 0)) - sum(bad.values())

    @property
    def ok(self) -> bool:
        return not self.seen["failed"] and not self.seen["errors"] and self.seen["passed"] > 0

    def line(self, seconds: float) -> str:
        """In the form of pytest's own last line."""
        parts = [f"{count} {name}" for name, count in self.seen.items() if count]
        return f" {', '.join(parts) or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


def main(arguments: list[str]) -> int:
    """Run the suites in their stages; with `-x` the first that fails is the last. Returns 0 if all is well."""
    os.chdir(ROOT)
    from tests import dockerd  # what users run has no need of it

    if any(_names_tests(argument) for argument in arguments):
        with dockerd.engine():
            return _pytest(arguments, {})
    os.environ.pop("DATABASE_URL", None)  # each suite has its own
    began, counts = time.monotonic(), Counts()
    if not _migrations_match():
        return 1
    with tempfile.TemporaryDirectory(prefix="berth-reports-") as folder, dockerd.engine():
        for stage in STAGES:
            run = partial(_lane, arguments=arguments, reports=Path(folder), beside=len(stage) > 1)
            with ThreadPoolExecutor(len(stage)) as lanes:
                ended = list(lanes.map(run, stage))
            for suite in (suite for lane in stage for suite in lane):
                counts.add(suite.report(Path(folder)))
            if not all(ended) and _stops_at_first(arguments):
                break
    sys.stdout.write(f"\n{counts.line(time.monotonic() - began)}\n")
    return 0 if counts.ok else 1


def _lane(suites: tuple[Suite, ...], arguments: list[str], reports: Path, *, beside: bool) -> bool:
    """Run these suites one after another. Returns whether all is well.

    With another lane `beside` it, each suite's output is written in one piece once it ended.
    """
    well = True
    for suite in suites:
        argv = [*arguments, f"--junitxml={suite.report(reports)}", *suite.paths]
        with _database(suite.database) as environment:
            if not beside:
                _say(f"\n-- {suite.title}\n")
                well = _pytest(argv, environment) == 0 and well
            else:
                _say(f"\n-- {suite.title}: begins\n")
                with tempfile.TemporaryFile("w+") as output:
                    well = _pytest(argv, environment, output=output) == 0 and well
                    output.seek(0)
                    _say(f"\n-- {suite.title}\n{output.read()}")
        if not well and _stops_at_first(arguments):
            break
    return well


def _say(text: str) -> None:
    with PRINTING:
        sys.stdout.write(text)
        sys.stdout.flush()


def _stops_at_first(arguments: list[str]) -> bool:
    return "-x" in arguments or "--exitfirst" in arguments


def _names_tests(argument: str) -> bool:
    return not argument.startswith("-") and Path(argument.partition("::")[0]).exists()


def _pytest(arguments: list[str], environment: Mapping[str, str], *, output: IO[str] | None = None) -> int:
    # pytest-django would load the settings that are named here before tests/conftest.py has made its own environment
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    argv = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(
        argv, env={**kept, **environment}, stdout=output, stderr=subprocess.STDOUT if output else None, check=False
    ).returncode


def _migrations_match() -> bool:
    with tempfile.TemporaryDirectory(prefix="berth-test-") as home:
        argv = [*MANAGE, "makemigrations", "--check", "--dry-run"]
        return subprocess.run(argv, env={**os.environ, "BERTH_HOME": home}, check=False).returncode == 0


@contextlib.contextmanager
def _database(kind: str) -> Iterator[dict[str, str]]:
    """The environment for a suite: a PostgreSQL of its own, or SQLite."""
    if kind != POSTGRES:
        yield {}
        return
    from tests import services

    with services.postgres() as server:
        yield {"DATABASE_URL": server.url}
