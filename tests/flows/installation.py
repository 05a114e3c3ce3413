"""A whole Berth of a test's own: a home, free ports, and its command line."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.embedded import free_port
from cloud.supervisor.identity import Identity
from cloud.supervisor.specs import ROOT
from tests.services import wait_until

PORTS = (
    "BERTH_PORT",
    "BERTH_HTTP_PORT",
    "BERTH_HTTPS_PORT",
    "BERTH_ETCD_PORT",
    "BERTH_ETCD_PEER_PORT",
    "BERTH_REGISTRY_PORT",
)


@dataclass(frozen=True)
class Berth:
    home: Path
    env: Mapping[str, str]
    prefix: tuple[str, ...] = ()  # what every command line begins with, such as nsenter

    def run(self, *arguments: str, code: int = 0, timeout: float = 170) -> str:
        """What `./berth …` prints; fails with that unless it exits with `code`."""
        done = subprocess.run(
            [*self.prefix, str(ROOT / "berth"), *arguments],
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"./berth {' '.join(arguments)}: {done.returncode}\n{done.stdout}{self.logs()}"
        return done.stdout

    def up(self, *arguments: str, code: int = 0) -> str:
        return self.run("up", "--detach", *arguments, code=code)

    def status(self) -> dict[str, dict[str, Any]]:
        """Each process's line, by its name."""
        done = subprocess.run(
            [*self.prefix, str(ROOT / "berth"), "status", "--json"],
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
        )
        seen = json.loads(done.stdout)
        assert (done.returncode == 0) is seen["ok"]
        return {line["name"]: line for line in seen["lines"]}

    def process(self, name: str) -> Identity:
        """A process that runs."""
        identity = Identity.of(self.status()[name]["pid"])
        assert identity is not None
        return identity

    def secret(self, name: str) -> str:
        return (self.home / "secrets" / name).read_text().strip()

    def app_answers(self, host: str = "hello.localhost", path: str = "/") -> int:
        """The status that the edge answers with; 0 when nothing does."""
        return get(int(self.env["BERTH_HTTP_PORT"]), path, {"Host": host})[0]

    def api(self, path: str, token: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        status, body = get(int(self.env["BERTH_PORT"]), f"/api/v1{path}", headers)
        return status, json.loads(body or b"null")

    def logs(self) -> str:
        """The end of every log, for a test that fails."""
        if not self.home.exists():
            return ""
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}"
            for log in sorted((self.home / "logs").glob("*.log"))
        )

    def dispose(self) -> None:
        """Remove all of it, whatever state it is in."""
        try:
            if self.home.exists():
                self.run("down", "--all", "--yes", "--destroy-foreign")
        finally:
            shutil.rmtree(self.home.parent, ignore_errors=True)


def get(port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body; status 0 when there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


@contextmanager
def installation(prefix: tuple[str, ...] = (), **settings: str) -> Iterator[Berth]:
    """A Berth with nothing in common with any other, not yet up; removed with all that it made."""
    folder = Path(tempfile.mkdtemp(prefix="berth-flow-", dir="/tmp"))
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DATABASE_", "DJANGO_"))
    }
    subnets = f"10.{random.randint(100, 250)}.{random.randrange(0, 256, 16)}.0/20"
    env = {
        **kept,
        **{name: str(free_port()) for name in PORTS},
        "BERTH_HOME": str(folder / "home"),
        "BERTH_SUBNETS": subnets,
        **settings,
    }
    berth = Berth(folder / "home", env, prefix)
    try:
        yield berth
    finally:
        berth.dispose()


def until_ready(berth: Berth) -> None:
    """Wait until every process is ready."""

    def late() -> dict[str, str]:
        return {name: f"{line['state']} {line['why']}" for name, line in berth.status().items() if not line["ok"]}

    try:
        wait_until(lambda: not late(), "everything is ready", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}: {late()}\n{berth.logs()}") from None
