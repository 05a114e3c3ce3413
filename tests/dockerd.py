"""A real Docker Engine for tests: the machine's, or one of our own for as long as it is needed."""

from __future__ import annotations

import contextlib
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
    """The URL of an engine that runs: the machine's when there is one."""
    if answers(DEFAULT):
        yield DEFAULT
    else:
        with own_engine() as url:
            yield url


@contextlib.contextmanager
def own_engine(*options: str) -> Iterator[str]:
    """The URL of an engine that runs in here alone, on empty data; everything on it goes with it."""
    with tempfile.TemporaryDirectory(prefix="berth-dockerd-") as name:
        folder = Path(name)  # not pytest's: paths of sockets have to be short
        url = f"unix://{folder / 'docker.sock'}"
        argv = [
            "dockerd",
            f"--data-root={folder / 'data'}",
            f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}",
            f"--host={url}",
            "--log-level=warn",
            *options,
        ]
        try:
            with process(argv, folder / "log"):
                wait_until(lambda: answers(url), f"dockerd answers, see {folder / 'log'}", 60)
                try:
                    yield url
                finally:
                    _clear(url)
        finally:
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
