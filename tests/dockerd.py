"""A real Docker Engine for tests: the machine's, or one of our own for as long as it is needed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import requests

from tests.services import process, wait_until

DEFAULT = "unix:///var/run/docker.sock"


def answers(url: str) -> bool:
    try:
        with docker.APIClient(base_url=url, timeout=5) as client:
            return bool(client.ping())
    except (docker.errors.DockerException, requests.RequestException):
        return False


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The URL of the engine that Berth finds: the machine's, or one that is gone afterwards with all that is on it."""
    if answers(DEFAULT):
        yield DEFAULT
        return
    with own_engine(DEFAULT) as own:
        try:
            yield DEFAULT
        finally:
            _clear(own.url)


class OwnEngine:
    """A dockerd with data of its own, which can be killed and started again."""

    def __init__(self, folder: Path, prefix: tuple[str, ...], host: str) -> None:
        self.url = host or f"unix://{folder / 'docker.sock'}"
        self._log = folder / "log"
        self._containerd_pid = folder / "exec" / "containerd" / "containerd.pid"
        self._running = contextlib.ExitStack()
        # its id is that of a key, which by default is the same for all engines of a machine
        (folder / "daemon.json").write_text(json.dumps({"deprecated-key-path": str(folder / "key.json")}))
        self._argv = [
            *prefix,
            "dockerd",
            f"--data-root={folder / 'data'}",
            f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}",
            f"--config-file={folder / 'daemon.json'}",
            f"--host={self.url}",
            "--log-level=warn",
        ]

    def start(self) -> None:
        # after a kill, its containerd may be left as a zombie that nobody reaps, and would be taken for alive
        self._containerd_pid.unlink(missing_ok=True)
        self._child = self._running.enter_context(process(self._argv, self._log))
        wait_until(lambda: answers(self.url), f"dockerd answers, see {self._log}", 60)

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def close(self) -> None:
        self._running.close()


@contextlib.contextmanager
def own_engine(host: str = "", *, apart: bool = False) -> Iterator[OwnEngine]:
    """An engine that runs in here alone, on empty data; everything on it goes with it. It listens at `host` if given.

    `apart`: in a network of its own, out of reach. Beside another engine it has to be: both would make, and remove,
    the host's one `docker0` and the rules of its firewall.
    """
    with tempfile.TemporaryDirectory(prefix="berth-dockerd-") as name:
        folder = Path(name)  # not pytest's: paths of sockets have to be short
        own = OwnEngine(folder, ("unshare", "--net") if apart else (), host)
        try:
            own.start()
            yield own
        finally:
            own.close()
            unmount_below(folder)


def unmount_below(folder: Path) -> None:
    """What an engine left mounted, so that its folder can be removed."""
    for mount in _mounts_below(folder):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _clear(url: str) -> None:
    with docker.APIClient(base_url=url) as client:
        for container in client.containers(all=True):
            client.remove_container(container["Id"], force=True, v=True)
        for network in client.networks(filters={"type": "custom"}):
            client.remove_network(network["Id"])


def _mounts_below(folder: Path) -> list[str]:
    """Deepest first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), key=len, reverse=True)
