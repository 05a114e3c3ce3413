"""Two machines in network namespaces, each with a Docker Engine of its own, and what it takes to work from one of them.

What an overlay does for a group's network on real machines, a cable does here: the bridges that the engines made for it
are plugged together.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.dockerd import OwnEngine, unmount_below

_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Host:
    name: str
    engine: OwnEngine
    client: docker.APIClient

    def run(self, *words: str) -> str:
        """What a command prints that is run in the host's network."""
        argv = ["nsenter", f"--net=/var/run/netns/{self.name}", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def host(name: str) -> Iterator[Host]:
    """A machine with an engine that is empty."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    enter = ("nsenter", f"--net=/var/run/netns/{name}")
    try:
        subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
        with tempfile.TemporaryDirectory(prefix="berth-host-", dir="/tmp") as folder:
            engine = OwnEngine(Path(folder), enter, "")
            try:
                engine.start()
                with docker.APIClient(base_url=engine.url, version="auto", timeout=60) as client:
                    yield Host(name, engine, client)
                    for container in client.containers(all=True):
                        client.remove_container(container["Id"], force=True)
            finally:
                engine.close()
                unmount_below(Path(folder))
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextlib.contextmanager
def inside(of: Host) -> Iterator[None]:
    """Everything that is begun in here, threads and processes too, is in the host's network."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{of.name}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(before)
        os.close(there)
        os.close(before)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def plug(one: Host, other: Host, network: str) -> None:
    """Make one network of those of this name on both. Its gateway is the first one's."""
    ends = {}
    for number, each in enumerate((one, other)):
        shown = each.client.inspect_network(network)
        ends[each.name] = f"br-{shown['Id'][:12]}", f"cable{number}"
    subprocess.run(
        ["ip", "link", "add", "cable0", "netns", one.name, "type", "veth", "peer", "cable1", "netns", other.name],
        check=True,
    )
    for each in (one, other):
        bridge, end = ends[each.name]
        each.run("ip", "link", "set", end, "master", bridge, "up")
    other.run("ip", "addr", "flush", "dev", ends[other.name][0])


def copy_image(image: str, one: Host, other: Host) -> None:
    """Have the same image, by its id, on the other engine."""
    saved = b"".join(one.client.get_image(image))
    other.client.load_image(saved)
