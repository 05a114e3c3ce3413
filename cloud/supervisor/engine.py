"""The Docker Engine of this machine: the one that is there, or one of our own.

Ours lives on when Berth goes down, like the apps on it, so it is no child of the supervisor: it has a session of its
own, and a record in `<home>/engine.json` by which the next supervisor finds it. With live-restore its containers
outlive even itself. Its sockets are below /run, because their paths have to be short.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from cloud.config import Config
from cloud.supervisor.identity import Identity
from cloud.supervisor.probes import Address, answers

DEFAULT = "unix:///var/run/docker.sock"
EMBEDDED = "embedded"


class EngineMissing(Exception):
    """No engine answers, and none of our own could be started. The message says what to do."""


def address(url: str) -> Address:
    """Where an engine's URL is to be probed."""
    scheme, _, rest = url.partition("://")
    if scheme == "unix":
        return Path(rest)
    host, _, port = rest.rstrip("/").rpartition(":")
    return host, int(port)


def docker_host(url: str) -> str:
    """What `DOCKER_HOST` has to be for Docker's own command to address this engine; empty where it does anyway."""
    return "" if url == DEFAULT else url


def alive(url: str) -> bool:
    return answers(address(url), "/_ping")


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """A dockerd that Berth started, or is about to."""

    home: Path  # of Berth
    installation: str

    @property
    def short(self) -> Path:
        """Sockets and runtime files; gone with a reboot, like the containers' processes."""
        return Path(f"/run/berth-{self.installation}")

    @property
    def url(self) -> str:
        return f"unix://{self.short / 'docker.sock'}"

    @property
    def pid_file(self) -> Path:
        return self.short / "docker.pid"

    @property
    def data(self) -> Path:
        return self.home / "docker"

    @property
    def record(self) -> Path:
        return self.home / "engine.json"

    @property
    def known(self) -> bool:
        """Whether Berth has ever started it: then this home's apps are on it."""
        return self.record.exists()

    def identity(self) -> Identity | None:
        """Its process, if it runs."""
        try:
            entry = json.loads(self.record.read_text())
            identity = Identity(entry["pid"], entry["started"], entry["boot"])
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None
        return identity if identity.alive else None

    def start(self, logs: Path) -> Identity:
        """Start it, unless it runs. It may take seconds until it answers. Raises `EngineMissing`."""
        running = self.identity()
        if running is not None:
            return running
        dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if dockerd is None:
            raise EngineMissing("no Docker Engine answers and there is no dockerd: apt-get install docker.io")
        if subprocess.run([*as_root(), "mkdir", "-p", "-m", "755", str(self.short)], check=False).returncode:
            raise EngineMissing("no Docker Engine answers, and root (or sudo) is needed to start one")
        with (logs / "dockerd.log").open("ab") as out:
            # dockerd's own children need its PATH: containerd, runc, iptables
            child = subprocess.Popen(
                [*as_root(), *self._argv(dockerd)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
            )
        identity = Identity.of(child.pid)
        if identity is None:
            raise EngineMissing(f"dockerd ended at once, see {logs / 'dockerd.log'}")
        self.record.write_text(json.dumps(asdict(identity)))
        return identity

    def _argv(self, dockerd: str) -> list[str]:
        return [
            dockerd,
            f"--data-root={self.data}",
            f"--exec-root={self.short / 'exec'}",
            f"--pidfile={self.pid_file}",
            f"--host={self.url}",
            f"--group={os.getgid()}",
            "--live-restore",
            "--log-level=warn",
        ]

    def stop(self) -> None:
        """End it, if it runs. What runs on it lives on, so remove that first."""
        identity = self.identity()
        if identity is None:
            return
        # started through sudo, the process we know is sudo itself, and only root may signal it or its child
        pid = self.pid_file.read_text().strip() if self.pid_file.exists() else str(identity.pid)
        kill = [*as_root(), "sh", "-c", 'kill "$@"', "sh"]  # a shell has it built in; the program may be missing
        subprocess.run([*kill, pid], check=False)
        if not identity.wait(30):
            subprocess.run([*kill, "-9", pid, str(identity.pid)], check=False)
            identity.wait(10)
        self.record.unlink(missing_ok=True)


def as_root() -> list[str]:
    """What a command has to begin with to run as root. Without root it asks nothing: the bootstrap has asked."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def find(config: Config) -> tuple[str, OwnEngine | None]:
    """The engine to use: its URL, and our own engine where that is the one. Raises `EngineMissing`.

    A given engine has to answer. Otherwise the one that this home's apps are on comes first, then the machine's.
    """
    own = OwnEngine(config.home, config.installation)
    if config.engine == EMBEDDED or (not config.engine and own.known):
        return own.url, own
    if config.engine:
        if not alive(config.engine):
            raise EngineMissing(f"BERTH_ENGINE: nothing answers at {config.engine}")
        return config.engine, None
    if alive(DEFAULT):
        return DEFAULT, None
    socket = Path(DEFAULT.partition("://")[2])
    if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        raise EngineMissing(f"this user may not use the Docker Engine at {socket}: add it to the group docker")
    return own.url, own
