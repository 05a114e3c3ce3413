"""`./berth test`: all tests on real parts, or, with arguments, those that the arguments name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from cloud.supervisor.specs import MANAGE, ROOT

POSTGRES = "postgres"


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
    """Run the suites one after another; with `-x` the first that fails is the last. Returns 0 if all is well."""
    os.chdir(ROOT)
    from tests import dockerd  # what users run has no need of it

    if any(_names_tests(argument) for argument in arguments):
        with dockerd.engine():
            return _pytest(arguments, {})
    began, counts = time.monotonic(), Counts()
    if not _migrations_match():
        return 1
    with tempfile.TemporaryDirectory(prefix="berth-reports-") as folder, dockerd.engine():
        for number, (title, paths, database) in enumerate(_suites()):
            sys.stdout.write(f"\n-- {title}\n")
            sys.stdout.flush()
            report = Path(folder) / f"{number}.xml"
            with _database(database) as environment:
                code = _pytest([*arguments, f"--junitxml={report}", *paths], environment)
            counts.add(report)
            if code and ("-x" in arguments or "--exitfirst" in arguments):
                break
    sys.stdout.write(f"\n{counts.line(time.monotonic() - began)}\n")
    return 0 if counts.ok else 1


def _suites() -> list[tuple[str, list[str], str]]:
    """Title, paths and database of each, the quickest first."""
    suites = [
        ("unit: no sockets", ["tests/unit"], ""),
        ("web, SQLite", ["tests/web"], ""),
        ("web, PostgreSQL", ["tests/web"], POSTGRES),
        ("real engines, etcd and HAProxy", ["tests/real"], ""),
        ("whole Berth", ["tests/flows"], ""),
        ("Chromium", ["tests/browser"], ""),
    ]
    return [suite for suite in suites if list(Path(suite[1][0]).rglob("test_*.py"))]


def _names_tests(argument: str) -> bool:
    return not argument.startswith("-") and Path(argument.partition("::")[0]).exists()


def _pytest(arguments: list[str], environment: Mapping[str, str]) -> int:
    # pytest-django would load the settings that are named here before tests/conftest.py has made its own environment
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    argv = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(argv, env={**kept, **environment}, check=False).returncode


def _migrations_match() -> bool:
    with tempfile.TemporaryDirectory(prefix="berth-test-") as home:
        argv = [*MANAGE, "makemigrations", "--check", "--dry-run"]
        return subprocess.run(argv, env={**os.environ, "BERTH_HOME": home}, check=False).returncode == 0


@contextlib.contextmanager
def _database(kind: str) -> Iterator[dict[str, str]]:
    """The environment for a suite: a PostgreSQL of its own, or SQLite."""
    if kind != POSTGRES:
        os.environ.pop("DATABASE_URL", None)
        yield {}
        return
    from tests import services

    with services.postgres() as server:
        yield {"DATABASE_URL": server.url}
