"""The keys in etcd: a projection of the database for the edges, and the edges' answers.

    /berth/apps/<group>/<app>/config                JSON, see `AppConfig`     written by the loop
    /berth/apps/<group>/<app>/endpoints/<instance>  JSON, see `Endpoint`      written by the loop
    /berth/apps/_clock                              the app written last      written by the loop, with every change
    /berth/apps/_epoch                              a random word             written once all apps are published
    /berth/edges/live/<edge>/presence               JSON {"since", "pid"}     leased, written by the edge
    /berth/edges/live/<edge>/applied                a revision and its epoch  written by the edge
    /berth/edges/reports/<group>/<app>/<edge>       JSON, see `Report`        written by the edge, on change
    /berth/edges/reports/_certificates/<group>.<name>/<edge>  likewise        while the edge refuses a certificate

Group and app names follow a strict grammar, so a key needs no escaping. The keys below `apps` carry no lease: with
the control plane gone the edges serve on from what is there. The reports lie apart from the live edges, by app first,
so that one app's reports and the list of live edges are each one small read however many apps there are.

etcd's revision is the clock that all of it runs by: an edge that says `applied` 17 serves everything up to revision 17.
Because every change below `apps` also writes `apps/_clock`, the revision of that key's last write is the one at which
everything below `apps` became what it is, and every edge gets to see and acknowledge it.

The epoch is the name of this life of etcd. A wiped etcd has none until all apps are published anew, and then another:
an edge that finds none removes nothing that it serves only because it is missing, and a revision that an edge has
applied counts only in the epoch it belongs to, since revisions start over.

The key prefix is a setting of the client (`scheduler.etcd.Etcd`), so that installations may share an etcd.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from scheduler.etcd_base import Conflict, Store
from scheduler.model import Edge, Endpoint, HealthCheck, Probe, Protocol, Route
from scheduler.routing import HttpOptions, Split, load_http, load_route, load_split

APPS = "apps/"
CLOCK = "apps/_clock"  # no group has an underscore
EPOCH = "apps/_epoch"
EDGE_NEWS = "edges/"  # all that edges write
EDGES = "edges/live/"
REPORTS = "edges/reports/"
CERTIFICATES = "_certificates"  # stands for a group in reports on certificates: no group has an underscore


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What an edge has to know of an app besides its endpoints. A change of it may need a reload."""

    protocol: Protocol
    port: int
    health: HealthCheck
    routes: tuple[Route, ...] = ()
    slots: int = 1  # how many endpoints to expect at most: replicas and surge
    http: HttpOptions = field(default_factory=HttpOptions)
    cookie_key: str = ""  # what the cookies of sticky sessions are made with: the same at every edge, and secret
    tcp_port: int = 0  # where edges serve it over TCP; 0: nowhere
    canary: Split | None = None  # None: none of its releases is ever tried on a part of the traffic


@dataclass(frozen=True, slots=True)
class Report:
    """One edge's verdicts on the instances of one app, and the revision that they were seen at.

    `refused` says why the edge does not serve all that etcd has of the app; empty when it does.
    """

    revision: int
    probes: Mapping[str, Probe] = field(default_factory=dict)  # by instance name
    refused: str = ""


def config_key(group: str, app: str) -> str:
    return f"{APPS}{group}/{app}/config"


def endpoint_key(group: str, app: str, instance: str) -> str:
    return f"{APPS}{group}/{app}/endpoints/{instance}"


def endpoints_prefix(group: str, app: str) -> str:
    return f"{APPS}{group}/{app}/endpoints/"


def app_prefix(group: str, app: str) -> str:
    return f"{APPS}{group}/{app}/"


def presence_key(edge: str) -> str:
    return f"{EDGES}{edge}/presence"


def applied_key(edge: str) -> str:
    return f"{EDGES}{edge}/applied"


def report_key(edge: str, group: str, app: str) -> str:
    return f"{REPORTS}{group}/{app}/{edge}"


def dump_config(config: AppConfig) -> str:
    """What says nothing is left out of it."""
    value = asdict(config)
    value["routes"] = [
        {name: of for name, of in route.items() if of or name in ("host", "path")} for route in value["routes"]
    ]
    for name, nothing in (("http", asdict(HttpOptions())), ("cookie_key", ""), ("tcp_port", 0), ("canary", None)):
        if value[name] == nothing:
            del value[name]
    return _dump(value)


def load_config(text: str) -> AppConfig:
    value = json.loads(text)
    return AppConfig(
        protocol=Protocol(value["protocol"]),
        port=value["port"],
        health=HealthCheck(**{**value["health"], "command": tuple(value["health"]["command"])}),
        routes=tuple(load_route(route) for route in value["routes"]),
        slots=value["slots"],
        # what edges wrote down before there was more to say is read as well
        http=load_http(value.get("http", {})),
        cookie_key=value.get("cookie_key", ""),
        tcp_port=value.get("tcp_port", 0),
        canary=load_split(value["canary"]) if value.get("canary") is not None else None,
    )


def dump_endpoint(endpoint: Endpoint) -> str:
    place = {"address": endpoint.address, "port": endpoint.port, "draining": endpoint.draining}
    more = {name: value for name in ("check", "release", "canary", "standby") if (value := getattr(endpoint, name))}
    return _dump({**place, **more})


def load_endpoint(instance: str, text: str) -> Endpoint:
    value = json.loads(text)
    more = {name: value[name] for name in ("check", "release", "canary", "standby") if name in value}
    return Endpoint(instance, value["address"], value["port"], value["draining"], **more)


def dump_report(report: Report) -> str:
    probes = {
        name: {"up": p.up, "since": p.since.isoformat(), "detail": p.detail, "sessions": p.sessions}
        for name, p in sorted(report.probes.items())
    }
    return _dump({"revision": report.revision, "probes": probes, "refused": report.refused})


def load_report(edge: str, text: str) -> Report:
    value = json.loads(text)
    probes = {
        name: Probe(edge, p["up"], datetime.fromisoformat(p["since"]), p["detail"], p["sessions"])
        for name, p in value["probes"].items()
    }
    return Report(value["revision"], probes, value["refused"])


def dump_applied(revision: int, epoch: str) -> str:
    return f"{revision} {epoch}".strip()


def load_applied(text: str, epoch: str) -> int:
    """The revision that an edge has applied; 0 when it said so in another epoch than this."""
    revision, _, of = text.partition(" ")
    return int(revision) if of == epoch else 0


def publish(etcd: Store, group: str, app: str, config: AppConfig | None, endpoints: Collection[Endpoint]) -> int:
    """Make etcd hold exactly this of an app; `config` None: nothing. Returns the revision at which it became true.

    One read, and one transaction if anything differs: endpoints first, then the config, which says that they are all
    there, then deletions. With the app goes what edges said of it. Raises `EtcdUnavailable`.
    """
    wanted = {}
    if config is not None:
        wanted = {endpoint_key(group, app, e.instance): dump_endpoint(e) for e in endpoints}
        wanted[config_key(group, app)] = dump_config(config)
    places = [app_prefix(group, app), *([f"{REPORTS}{group}/{app}/"] if config is None else [])]
    found = etcd.read(CLOCK, *places)
    puts = {key: value for key, value in wanted.items() if found.values.get(key) != value}
    deletes = found.values.keys() - wanted.keys() - {CLOCK}
    if not puts and not deletes and CLOCK in found.values:
        return found.written
    return etcd.write({CLOCK: f"{group}/{app}", **puts}, sorted(deletes))


def digest(config: AppConfig | None, endpoints: Collection[Endpoint]) -> str:
    """The same for what `publish` writes down the same; 16 hexadecimal digits."""
    said = {endpoint.instance: dump_endpoint(endpoint) for endpoint in endpoints}
    text = _dump([None if config is None else dump_config(config), said])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def published_apps(etcd: Store) -> set[tuple[str, str]]:
    """(group, app) of every app that etcd knows of."""
    names = (key.removeprefix(APPS).split("/") for key in etcd.keys(APPS))
    return {(parts[0], parts[1]) for parts in names if len(parts) > 2}


def is_complete(etcd: Store) -> bool:
    """Whether all apps were published since etcd was made or wiped."""
    return EPOCH in etcd.keys(EPOCH)


def mark_complete(etcd: Store) -> None:
    """Say that etcd holds all apps: begin its epoch, unless it has one. Only after every app was published."""
    if not is_complete(etcd):
        with contextlib.suppress(Conflict):  # someone else has just begun it
            etcd.write({EPOCH: secrets.token_hex(8)}, unchanged={EPOCH: 0})


def read_edges(etcd: Store) -> list[Edge]:
    """The live edges by name, each with the revision that it has applied."""
    values = etcd.read(EDGES, EPOCH).values
    present = sorted(key.split("/")[-2] for key in values if key.endswith("/presence"))
    epoch = values.get(EPOCH, "")
    return [Edge(name, load_applied(values.get(applied_key(name), "0"), epoch)) for name in present]


def read_reports(etcd: Store, group: str, app: str, edges: Collection[Edge]) -> dict[str, Report]:
    """What each of these edges last said of an app, by edge name; an edge that said nothing yet is missing."""
    prefix = f"{REPORTS}{group}/{app}/"
    said = {key.removeprefix(prefix): text for key, text in etcd.read(prefix).values.items()}
    return {edge.name: load_report(edge.name, said[edge.name]) for edge in edges if edge.name in said}


def read_all_reports(etcd: Store, edges: Collection[Edge]) -> dict[tuple[str, str], dict[str, Report]]:
    """What these edges last said of every app: (group, app) -> edge name -> report."""
    names = {edge.name for edge in edges}
    reports: dict[tuple[str, str], dict[str, Report]] = {}
    for key, text in etcd.read(REPORTS).values.items():
        group, app, edge = key.removeprefix(REPORTS).split("/")
        if edge in names and group != CERTIFICATES:
            reports.setdefault((group, app), {})[edge] = load_report(edge, text)
    return reports


def read_refusals(etcd: Store) -> dict[str, dict[str, str]]:
    """Why which edge does not serve a certificate, as last said: `<group>.<name>` -> edge name -> why."""
    prefix = f"{REPORTS}{CERTIFICATES}/"
    refusals: dict[str, dict[str, str]] = {}
    for key, text in etcd.read(prefix).values.items():
        name, edge = key.removeprefix(prefix).split("/")
        refusals.setdefault(name, {})[edge] = load_report(edge, text).refused
    return refusals


def reported_app(key: str) -> tuple[str, str] | None:
    """Which app a report's key is about; None for a key that is no report's."""
    parts = key.removeprefix(REPORTS).split("/")
    return (parts[0], parts[1]) if key.startswith(REPORTS) and len(parts) == 3 else None


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
