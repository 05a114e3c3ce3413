"""What runs and what does not: the supervisor's record held against the processes themselves."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cloud.config import Config
from cloud.supervisor import engine, front, liveness, logfiles, record, running, specs
from cloud.supervisor.identity import Identity, pss
from cloud.supervisor.probes import Address, listens, pings, speaks
from cloud.supervisor.specs import Spec
from cloud.supervisor.supervised import State

PORTS = {"redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}


@dataclass(frozen=True, slots=True)
class Line:
    """One process, or one address that was given instead of it."""

    name: str
    ok: bool
    state: str
    why: str = ""  # when it is not ok
    pid: int | None = None
    since: float | None = None  # Unix time
    restarts: int = 0
    memory: int = 0  # bytes, PSS
    address: str = ""


@dataclass(frozen=True, slots=True)
class View:
    up: bool  # the supervisor runs
    pid: int | None
    panel: str  # its URL
    docker_host: str  # what Docker's own command needs as DOCKER_HOST; empty: nothing
    differs: tuple[str, ...]  # settings that are others here than those that Berth runs with
    lines: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        return self.up and all(line.ok for line in self.lines)


def look(asked: Config) -> View:
    """Look at everything once, where the running Berth has it. Needs no supervisor, no database and no Django."""
    last = record.read(asked.run)
    supervisor = record.supervisor(last)
    config = running.settings(supervisor, asked)
    entries = {entry["name"]: entry for entry in last.get("processes", [])}
    lines = [_line(spec, last, entries.get(spec.name), supervisor is not None) for spec in _specs(config)]
    return View(
        supervisor is not None,
        supervisor.pid if supervisor else None,
        config.panel_url,
        engine.docker_host(_engine_url(config)),
        running.differences(config, asked),
        (_supervisor(supervisor, last), _engine(config, last), *lines, _haproxy(config, last), *_given(config)),
    )


def _supervisor(identity: Identity | None, last: dict[str, Any]) -> Line:
    if identity is not None:
        why = f"it was stopped by a signal; kill -CONT {identity.pid} lets it go on" if identity.suspended else ""
        state = "silent" if why else "ready"
        return Line("supervisor", not why, state, why, identity.pid, last["since"], memory=pss(identity.pid))
    killed = any(record.living(last, entry) for entry in last.get("processes", []) if entry["name"] != "dockerd")
    why = "it was killed; ./berth up ends what it has left and starts anew" if killed else "./berth up starts it"
    return Line("supervisor", False, "stopped", why)


def _specs(config: Config) -> list[Spec]:
    return [*specs.services(config), specs.nursery(), *specs.processes(config)] if config.home.exists() else []


def _line(spec: Spec, last: dict[str, Any], entry: dict[str, Any] | None, supervised: bool) -> Line:
    if entry is None or not supervised:
        left = record.living(last, entry) if entry else None
        return Line(spec.name, False, "left over" if left else "stopped", "", left.pid if left else None)
    identity = record.living(last, entry)
    state, why = entry["state"], ""
    if state == State.READY and identity is None:
        state, why = "ended", "just now"
    elif state == State.READY and identity is not None and (said := liveness.trouble(spec, identity, entry["since"])):
        state, why = "silent", said
    elif state == State.READY and spec.ready is not None and not spec.ready():
        state, why = "silent", f"it runs and is not well at {spec.address}"
    elif state != State.READY:
        said = logfiles.tail(Path(entry["log"]), 1)
        why = ": ".join(part for part in (entry["last_exit"], said[:200]) if part)
    return Line(
        spec.name,
        state == State.READY,
        state,
        why,
        identity.pid if identity else None,
        entry["since"],
        entry["restarts"],
        pss(identity.pid) if identity else 0,
        spec.address,
    )


def _engine_url(config: Config) -> str:
    try:
        return engine.find(config)[0]
    except engine.EngineMissing:
        return ""


def _engine(config: Config, last: dict[str, Any]) -> Line:
    try:
        url, own = engine.find(config)
    except engine.EngineMissing as error:
        return Line("engine", False, "missing", str(error))
    if own is not None and not own.known:
        return Line("engine", False, "stopped", "there is none; ./berth up starts one")
    identity = own.identity() if own else None
    ok = engine.alive(url)
    entry: dict[str, Any] = next((entry for entry in last.get("processes", []) if entry["name"] == "dockerd"), {})
    return Line(
        "engine",
        ok,
        "ready" if ok else "silent",
        "" if ok else f"nothing answers at {url}",
        identity.pid if identity else None,
        entry.get("since") if identity else None,
        entry.get("restarts", 0) if identity else 0,
        pss(identity.pid) if identity else 0,
        f"{url}{' (started by Berth)' if own else ''}",
    )


def _haproxy(config: Config, last: dict[str, Any]) -> Line:
    found = front.haproxies(config.home)
    if not found:
        return Line("haproxy", False, "stopped", "the edge agent starts it")
    since = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + found[0].started / os.sysconf("SC_CLK_TCK")
    memory = sum(pss(identity.pid) for identity in found)
    address = f"{config.http_bind}:{config.http_port}"
    ok = speaks((specs.loopback(config.http_bind), config.http_port))
    stopped = [f"kill -CONT {identity.pid}" for identity in found if identity.suspended]
    hint = f", for it was stopped by a signal; {' and '.join(stopped)} lets it go on" if stopped else ""
    why = "" if ok else f"it runs and does not answer at {address}{hint}"
    restarts = front.restarts(config.home, last.get("since", since))
    return Line("haproxy", ok, "ready" if ok else "silent", why, found[0].pid, since, restarts, memory, address)


def _given(config: Config) -> list[Line]:
    """The services whose addresses were given. Berth runs without them for a while, but not well."""
    lines = []
    for name, url in (("redis", config.redis_url), ("database", config.database_url)):
        if url and not url.startswith("sqlite"):
            well = pings if url.startswith(("redis:", "unix:")) else listens
            lines.append(_reached(name, well(url_address(url)), re.sub(r"//[^/@]*@", "//", url)))
    if config.etcd:
        lines.append(_reached("etcd", speaks(config.etcd_address), config.etcd))
    if config.registry:
        host, _, port = config.registry.rpartition(":")
        lines.append(_reached("registry", listens((host, int(port))), config.registry))
    return lines


def url_address(url: str) -> Address:
    """Where the service at this URL listens: host and port, or the path of its socket."""
    scheme, _, rest = url.partition("://")
    if scheme == "unix":
        return Path(rest.partition("?")[0])
    host, port = re.fullmatch(r"(?:[^/@]*@)?(\[[^]]*\]|[^:/?]*)(?::(\d+))?(?:[/?].*)?", rest).groups()
    host, port = unquote(host.strip("[]")), port or PORTS[scheme]
    if host.startswith("/"):  # the folder of PostgreSQL's socket
        return Path(host) / f".s.PGSQL.{port}"
    return host or "127.0.0.1", int(port)


def _reached(name: str, ok: bool, shown: str) -> Line:
    return Line(name, ok, "given", "" if ok else f"nothing answers at {shown}", address=shown)
