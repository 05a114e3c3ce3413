"""How the embedded services are run: one function a service, from its folder and address to its command line.

Used by the supervisor behind `./berth up` and by the tests, so that both run the same thing.
"""

from __future__ import annotations

import socket
from pathlib import Path


def free_port() -> int:
    """A TCP port of loopback that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def etcd(folder: Path, port: int, peer_port: int) -> list[str]:
    """One etcd member on loopback. Compacts its history every hour, so that it does not grow without end."""
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        "etcd",
        "--name=berth",
        f"--data-dir={folder}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=berth={peer}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=1h",
        "--logger=zap",
        "--log-level=warn",
        "--log-outputs=stderr",
    ]


def redis(folder: Path, socket_path: Path) -> list[str]:
    """Redis on a unix socket alone. It holds nothing that cannot be lost, so it writes nothing to disk."""
    return [
        "redis-server",
        "--port", "0",
        "--unixsocket", str(socket_path),
        "--unixsocketperm", "700",
        "--dir", str(folder),
        "--save", "",
        "--appendonly", "no",
        "--maxmemory", "256mb",
        "--maxmemory-policy", "noeviction",
    ]  # fmt: skip


def registry(folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """The Docker registry on loopback: its command and its environment."""
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    return ["docker-registry", "serve", str(config)], {"OTEL_TRACES_EXPORTER": "none"}
