"""What the supervisor runs: each process's command, environment and readiness, derived from the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cloud import embedded, heartbeat
from cloud.config import Config
from cloud.supervisor.probes import answers, listens, pings, speaks

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = (sys.executable, str(ROOT / "manage.py"))
STATIC = "/static/icon.svg"  # which the panel serves without asking the database


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
    alive: Callable[[], bool] | None = None  # whether it answers at all, well or not
    heartbeat: Path | None = None  # what it touches as its loop turns (`cloud.heartbeat`)
    helpless: bool = False  # what it waits for when its loop does not turn is not its own: a new start is no help


def services(config: Config) -> list[Spec]:
    """The embedded services: those whose address is not given."""
    specs = []
    if not config.redis_url:
        folder, socket = config.home / "redis", config.redis_socket
        folder.mkdir(exist_ok=True)
        argv = embedded.redis(folder, socket)
        ready = partial(pings, socket)
        specs.append(Spec("redis", tuple(argv), ready, address=str(socket), alive=ready))
    if not config.etcd:
        argv = embedded.etcd(config.home / "etcd", config.etcd_port, config.etcd_peer_port)
        etcd = config.etcd_address
        ready = partial(answers, etcd, "/health")
        specs.append(Spec("etcd", tuple(argv), ready, address=joined(etcd), alive=partial(speaks, etcd)))
    if not config.registry:
        folder = config.home / "registry"
        folder.mkdir(exist_ok=True)
        argv, env = embedded.registry(folder, config.registry_port)
        at = ("127.0.0.1", config.registry_port)
        ready = partial(answers, at, "/v2/")
        specs.append(Spec("registry", tuple(argv), ready, env, address=joined(at), alive=partial(speaks, at)))
    return specs


def nursery() -> Spec:
    """Loads what the others are forked from."""
    return Spec("nursery", (*MANAGE, "nursery"))


def processes(config: Config) -> list[Spec]:
    """Berth's own processes. All are stateless: any may be killed at any moment."""
    run, panel = config.run, (loopback(config.bind), config.port)
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
        Spec(
            "web",
            (*MANAGE, "web"),
            lambda: listens(panel),
            address=config.panel_url,
            forked=True,
            alive=partial(speaks, panel, STATIC),
        ),
        # without Redis, neither has anything to do
        Spec("worker", (*MANAGE, "worker"), grace=15, forked=True, heartbeat=run / "worker.alive", helpless=True),
        Spec("beat", (*MANAGE, "beat"), forked=True, heartbeat=run / "beat.alive", helpless=True),
        Spec("observer", (*MANAGE, "observer"), forked=True, heartbeat=run / "observer.alive"),
        Spec(
            "edge",
            edge,
            lambda: listens(front),
            {**_edge_keys(config), "BERTH_REDIS_URL": config.redis},
            address=f"{config.http_bind}:{config.http_port}",
            heartbeat=run / "edge.alive",
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
    beats = {} if spec.heartbeat is None else {heartbeat.VARIABLE: str(spec.heartbeat)}
    return {**small, "PYTHONPATH": str(ROOT), **os.environ, **beats, **spec.env}
