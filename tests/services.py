"""Real services for tests: each a context manager that yields an address and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.fernet import Fernet

from cloud import embedded
from cloud.supervisor import front
from cloud.supervisor.specs import ROOT, joined

EDGE_KEY = Fernet.generate_key().decode()  # what certificates are sealed with on their way to an edge


def wait_until(true: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Wait for a condition, looking often; fail with `what` when it does not come true."""
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def listens(address: tuple[str, int] | Path) -> bool:
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            return False
        return True


@contextlib.contextmanager
def process(
    argv: list[str], log: Path, env: dict[str, str] | None = None, cwd: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is ended, and waited for, on the way out."""
    with log.open("ab") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **(env or {})}, cwd=cwd)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def etcd(folder: Path, port: int = 0, peer_port: int = 0) -> Iterator[tuple[str, int]]:
    port, peer_port = port or embedded.free_port(), peer_port or embedded.free_port()
    with process(embedded.etcd(folder / "etcd", port, peer_port), folder / "etcd.log"):
        wait_until(lambda: listens(("127.0.0.1", port)), "etcd listens")
        yield "127.0.0.1", port


class EdgeAgent:
    """An edge agent of a test's own, in `home`/edge, and the HAProxy that it starts."""

    def __init__(self, home: Path, etcd: tuple[str, int], prefix: str, name: str, env: dict[str, str]) -> None:
        self.home, self.folder, self.log = home, home / "edge", home / "agent.log"
        self.port, self.https_port = embedded.free_port(), embedded.free_port()
        self.env = {**os.environ, "BERTH_EDGE_KEYS": EDGE_KEY, **env, "PYTHONPATH": str(ROOT)}
        self.argv = [
            sys.executable, "-m", "scheduler.edge",
            "--etcd", joined(etcd),
            "--prefix", prefix,
            "--name", name,
            "--http-bind", f"127.0.0.1:{self.port}",
            "--https-bind", f"127.0.0.1:{self.https_port}",
            "--folder", str(self.folder),
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.argv, stdout=out, stderr=out, env=self.env)
        wait_until(lambda: listens(("127.0.0.1", self.port)), "the edge takes requests")

    def kill(self) -> None:
        """End the agent without a chance to tidy up; HAProxy serves on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def lose_power(self) -> None:
        """End the agent and HAProxy at once."""
        there = self.haproxies()
        self.kill()
        for pid in there:
            os.kill(pid, signal.SIGKILL)
        # a process that is ending has no command line any more while its sockets may still be open
        wait_until(lambda: not self.haproxies() and not listens(("127.0.0.1", self.port)), "HAProxy is gone")

    def stop(self) -> int:
        """Ask the agent to end; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)

    def haproxies(self) -> list[int]:
        """The ids of HAProxy's processes, the master first."""
        return [identity.pid for identity in front.haproxies(self.home)]


@contextlib.contextmanager
def edge(
    home: Path, etcd: tuple[str, int], prefix: str = "/berth/", name: str = "edge", env: dict[str, str] | None = None
) -> Iterator[EdgeAgent]:
    agent = EdgeAgent(home, etcd, prefix, name, env or {})
    try:
        agent.start()
        yield agent
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.kill()
        front.end(home)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Path]:
    path = folder / "redis.sock"
    with process(embedded.redis(folder, path), folder / "redis.log"):
        wait_until(lambda: listens(path), "redis listens")
        yield path


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    port = embedded.free_port()
    argv, env = embedded.registry(folder, port)
    with process(argv, folder / "registry.log", env):
        wait_until(lambda: listens(("127.0.0.1", port)), "the registry listens")
        yield f"127.0.0.1:{port}"


class Postgres:
    """A PostgreSQL of its own on a unix socket, which can be killed and started again; `url` is its DATABASE_URL."""

    def __init__(self, folder: Path, user: list[str], options: dict[str, object]) -> None:
        # it refuses to run as root
        self.url = f"postgres://berth@{urllib.parse.quote(str(folder), safe='')}/postgres"
        self._socket, self._log = folder / ".s.PGSQL.5432", folder / "log"
        self._running = contextlib.ExitStack()
        binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        initdb = [binaries / "initdb", "-D", folder / "data", "-U", "berth", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run([*user, *map(str, initdb), "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._argv = [*user, str(binaries / "postgres"), "-D", str(folder / "data"), *settings]

    def start(self) -> None:
        child = process(self._argv, self._log, cwd="/")
        self._child = self._running.enter_context(child)
        wait_until(lambda: listens(self._socket), "PostgreSQL listens")

    def kill(self) -> None:
        """End it at once. What it has said is safe stays so."""
        pid = self._child.pid
        others = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._child.kill()
        self._child.wait()
        # they end by themselves, and until then no new one can start
        wait_until(lambda: not any(Path(f"/proc/{other}").exists() for other in others), "its processes have ended")

    def close(self) -> None:
        self._running.close()


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A PostgreSQL that runs. Unless it is `durable` it is quicker and may forget everything if it is killed."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    # not pytest's folder: its user has to be able to reach it
    folder = Path(tempfile.mkdtemp(prefix="berth-postgres-", dir="/tmp"))
    options: dict[str, object] = {"listen_addresses": "", "unix_socket_directories": folder}
    try:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        server = Postgres(folder, user, options if durable else {**options, "fsync": "off", "full_page_writes": "off"})
        try:
            server.start()
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder)
