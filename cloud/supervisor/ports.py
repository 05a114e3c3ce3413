"""Whether the ports and addresses that Berth wants are free, and who has one that is not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cloud.config import Config, ConfigError

LISTEN = "0A"  # in /proc/net/tcp
SIOCGIFADDR = 0x8915  # asks for the address of an interface
ENGINES = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")  # bridges that a Docker Engine makes


@dataclass(frozen=True, slots=True)
class Owner:
    pid: int
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{Path(self.command[0]).name} (pid {self.pid})" if self.command else f"pid {self.pid}"


def wanted(config: Config) -> list[tuple[str, str, int]]:
    """Setting, address and port of everything that `up` will listen on."""
    ports = [("BERTH_PORT", config.bind, config.port), ("BERTH_HTTP_PORT", config.http_bind, config.http_port)]
    if config.https_port:
        ports.append(("BERTH_HTTPS_PORT", config.http_bind, config.https_port))
    if not config.etcd:
        ports.append(("BERTH_ETCD_PORT", "127.0.0.1", config.etcd_port))
        ports.append(("BERTH_ETCD_PEER_PORT", "127.0.0.1", config.etcd_peer_port))
    if not config.registry:
        ports.append(("BERTH_REGISTRY_PORT", "127.0.0.1", config.registry_port))
    return ports


def check(config: Config) -> None:
    """Raise `ConfigError` for a port that something else has, or that two settings name.

    The edge's ports may be held by our own HAProxy, which served on while Berth was down.
    """
    for name, bind in (("BERTH_BIND", config.bind), ("BERTH_HTTP_BIND", config.http_bind)):
        if _is_elsewhere(bind):
            raise ConfigError(f"{name}: {bind} is no address of this machine")
    seen: dict[int, str] = {}
    for name, bind, port in wanted(config):
        if port in seen:
            raise ConfigError(f"{name}: {port} is {seen[port]} already")
        seen[port] = name
        error = _cannot_bind(bind, port)
        if error is None:
            continue
        if error.errno == errno.EACCES:
            raise ConfigError(f"{name}: this user may not listen on port {port}; set {name} to one from 1024 on")
        owner = _owner(port)
        if owner is not None and any(str(config.home / "edge") in word for word in owner.command):
            continue
        by = f" by {owner}" if owner else ""
        raise ConfigError(f"{name}: port {port} is taken{by}; set {name} to a free one ({error})")


def check_pool(config: Config) -> None:
    """Raise `ConfigError` when an address of this machine is among those that containers get.

    The machine would lose its way to its own network. What engines made for themselves is no trouble: Berth goes round.
    """
    for interface, address in _addresses():
        if address in config.subnets and not ENGINES.fullmatch(interface):
            raise ConfigError(
                f"BERTH_SUBNETS: {config.subnets} holds this machine's own address {address} ({interface}); "
                "set it to a private network that is not in use here, such as 172.24.0.0/14 or 10.200.0.0/16"
            )


def _addresses() -> list[tuple[str, IPv4Address]]:
    """The first IPv4 address of each interface that has one."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                answer = fcntl.ioctl(asked, SIOCGIFADDR, struct.pack("256s", name.encode()))
                found.append((name, IPv4Address(answer[20:24])))
    return found


def _is_elsewhere(bind: str) -> bool:
    error = _cannot_bind(bind, 0)
    return error is not None and error.errno == errno.EADDRNOTAVAIL


def _cannot_bind(bind: str, port: int) -> OSError | None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("" if bind == "*" else bind, port))
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _owner(port: int) -> Owner | None:
    """The process that listens on `port`, as far as we may see it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return Owner(int(process.name), tuple(word for word in command if word))
    return None
