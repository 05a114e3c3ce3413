"""The keys in etcd: a projection of the database for the edges, and the edges' answers.

    /berth/apps/<group>/<app>/config                JSON, see `AppConfig`        written by the loop
    /berth/apps/<group>/<app>/endpoints/<instance>  JSON, see `Endpoint`         written by the loop
    /berth/reports/<group>/<app>/<edge>             JSON, see `Report`           written by the edge, on change
    /berth/edges/<edge>/presence                    JSON {"since", "pid"}        leased, written by the edge
    /berth/edges/<edge>/applied                     the revision, decimal        written by the edge

The reports lie apart from the edges, by app first, so that one app's reports and the list of live edges are each one
small read however many apps there are.

Group and app names follow a strict grammar, so a key needs no escaping. The keys below `apps` carry no lease: with
the control plane gone the edges serve on from what is there. etcd's revision is the clock that all of it runs by: an
edge that says `applied` 17 serves everything up to revision 17.

The key prefix is a setting of the client (`scheduler.etcd.Etcd`), so that installations may share an etcd.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from scheduler.model import Endpoint, HealthCheck, Probe, Protocol, Route

APPS = "apps/"
EDGES = "edges/"
REPORTS = "reports/"


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What an edge has to know of an app besides its endpoints. A change of it may need a reload."""

    protocol: Protocol
    port: int
    health: HealthCheck
    routes: tuple[Route, ...] = ()
    slots: int = 1  # how many endpoints to expect at most: replicas and surge


@dataclass(frozen=True, slots=True)
class Report:
    """One edge's verdicts on the instances of one app, and the revision that they were seen at."""

    revision: int
    probes: Mapping[str, Probe] = field(default_factory=dict)  # by instance name


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
    return _dump(asdict(config))


def load_config(text: str) -> AppConfig:
    value = json.loads(text)
    return AppConfig(
        protocol=Protocol(value["protocol"]),
        port=value["port"],
        health=HealthCheck(**{**value["health"], "command": tuple(value["health"]["command"])}),
        routes=tuple(Route(**route) for route in value["routes"]),
        slots=value["slots"],
    )


def dump_endpoint(endpoint: Endpoint) -> str:
    return _dump({"address": endpoint.address, "port": endpoint.port, "draining": endpoint.draining})


def load_endpoint(instance: str, text: str) -> Endpoint:
    value = json.loads(text)
    return Endpoint(instance, value["address"], value["port"], value["draining"])


def dump_report(report: Report) -> str:
    probes = {
        name: {"up": p.up, "since": p.since.isoformat(), "detail": p.detail, "sessions": p.sessions}
        for name, p in sorted(report.probes.items())
    }
    return _dump({"revision": report.revision, "probes": probes})


def load_report(edge: str, text: str) -> Report:
    value = json.loads(text)
    probes = {
        name: Probe(edge, p["up"], datetime.fromisoformat(p["since"]), p["detail"], p["sessions"])
        for name, p in value["probes"].items()
    }
    return Report(value["revision"], probes)


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
