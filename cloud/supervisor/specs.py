"""What the supervisor runs: each process's command, environment and readiness, derived from the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloud import embedded
from cloud.config import Config
from cloud.supervisor.probes import answers, listens

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = (sys.executable, str(ROOT / "manage.py"))


@dataclass(frozen=True, slots=True)
class Spec:
    """One supervised process. `ready` looks from outside; None: it says so itself (`cloud.ready`)."""

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    address: str = ""  # where people find it
    grace: float = 10.0  # seconds between the request to end and the kill
    patience: float = 60.0  # seconds that it may take to become ready
    forked: bool = False  # `manage.py NAME` does the same: the nursery can fork it


def services(config: Config) -> list[Spec]:
    """The embedded services: those whose address is not given."""
    specs = []
    if not config.redis_url:
        folder, socket = config.home / "redis", config.redis_socket
        folder.mkdir(exist_ok=True)
        argv = embedded.redis(folder, socket)
        specs.append(Spec("redis", tuple(argv), lambda: listens(socket), address=str(socket)))
    if not config.etcd:
        argv = embedded.etcd(config.home / "etcd", config.etcd_port, config.etcd_peer_port)
        etcd = config.etcd_address
        specs.append(Spec("etcd", tuple(argv), lambda: answers(etcd, "/health"), address=joined(etcd)))
    if not config.registry:
        folder = config.home / "registry"
        folder.mkdir(exist_ok=True)
        argv, env = embedded.registry(folder, config.registry_port)
        at = ("127.0.0.1", config.registry_port)
        specs.append(Spec("registry", tuple(argv), lambda: answers(at, "/v2/"), env, address=joined(at)))
    return specs


def nursery() -> Spec:
    """Loads what the others are forked from."""
    return Spec("nursery", (*MANAGE, "nursery"))


def processes(config: Config) -> list[Spec]:
    """Berth's own processes. All are stateless: any may be killed at any moment."""
    panel = (loopback(config.bind), config.port)
    front = (loopback(config.http_bind), config.http_port)
    edge = (
        sys.executable, "-m", "scheduler.edge",
        "--etcd", joined(config.etcd_address),
        "--prefix", config.etcd_prefix,
        "--name", config.edge,
        "--http-bind", f"{config.http_bind}:{config.http_port}",
        "--https-bind", f"{config.http_bind}:{config.https_port}" if config.https_port else "",
        "--trusted-proxies", ",".join(config.trusted_proxies),
        "--folder", str(config.home / "edge"),
    )  # fmt: skip
    return [
        Spec("web", (*MANAGE, "web"), lambda: listens(panel), address=config.panel_url, forked=True),
        Spec("worker", (*MANAGE, "worker"), grace=15, forked=True),
        Spec("beat", (*MANAGE, "beat"), forked=True),
        Spec("observer", (*MANAGE, "observer"), forked=True),
        Spec(
            "edge", edge, lambda: listens(front), _edge_keys(config), address=f"{config.http_bind}:{config.http_port}"
        ),
    ]


def _edge_keys(config: Config) -> Mapping[str, str]:
    """What opens certificates, as a file where the first start made one: an environment is easier to look into."""
    if any(os.environ.get(name) for name in ("BERTH_EDGE_KEYS", "BERTH_EDGE_KEYS_FILE")):
        return {}  # inherited as it is
    return {"BERTH_EDGE_KEYS_FILE": str(config.secrets / "edge-keys")}


def joined(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def loopback(bind: str) -> str:
    """Where this machine reaches what is bound to `bind`."""
    return "127.0.0.1" if bind in ("", "*", "0.0.0.0") else bind  # noqa: S104 - compared, not bound


def environment(spec: Spec) -> dict[str, str]:
    """A child's whole environment.

    Two malloc arenas are enough for processes that mostly wait, and save memory; numpy's arrays here are small, so its
    thread pool would only cost.
    """
    small = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    return {**small, "PYTHONPATH": str(ROOT), **os.environ, **spec.env}
