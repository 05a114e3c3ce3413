"""How quickly an edge follows etcd, what that costs, and what it costs to go through an edge.

    ./berth bench edge [--changes 200] [--apps 1,10,100,1000] [--reloads 10] [--rounds 7] [--seconds 5] [--quick]

An etcd, a Redis that takes the figures of traffic, an edge agent with its HAProxy, and no other part of Berth. Every
app has ten endpoints; those are addresses of the loopback network on which one HAProxy answers with the address that
was asked. Their checks are an hour apart, so that what is measured is the change; ten thousand that are checked every
two seconds cost HAProxy 5,000 requests a second.

change      from the moment an instance of one app is replaced by another in etcd until a request through the edge is
            answered by the new one: the write, the watch, HAProxy's socket and the first check of the new one
agent CPU   of the agent's process for each such change, without what it uses at rest; must not grow with the apps
reload      from the moment a new app is written until it is served, and what the agent says the reload took; memory
            (PSS) of HAProxy and of the agent
throughput  wrk's requests a second through the edge over those through HAProxy with a configuration by hand, in turns,
            on the same backends and the same cores, which wrk, backends and proxy share; kept connections and fresh
            ones, latency with 2 connections, and HAProxy's own CPU a request, which does not hide behind the others.
            The one by hand (`bare`) knows this app alone, routes by host, sets X-Forwarded-For, -Proto and -Host
            and checks its servers; `keeping` is the same with two things that the edge does: it keeps a request until
            a server has answered, and writes a line for each. All have a session, and so a share of the CPU, of
            their own

Medians, and ratios of what was measured in turns. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.traffic import proxies
from benchmarks.traffic.wrk import Result, wrk
from cloud.supervisor.identity import pss
from scheduler import discovery
from scheduler.discovery import AppConfig
from scheduler.etcd import Etcd
from scheduler.model import Endpoint, HealthCheck, Protocol, Route
from tests import services
from tests.services import EdgeAgent

GROUP = "bench"
MEASURED = "measured"
PER_APP = 10  # endpoints
RARE = HealthCheck(path="/", interval=3600.0)
REST = 5.0  # seconds
PAUSE = 0.0005  # seconds between looks whether a change is served
CONNECTIONS = 32


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./berth bench edge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--apps", default="1,10,100,1000", help="numbers of apps, rising")
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7, help="of throughput")
    parser.add_argument("--seconds", type=int, default=5, help="of each")
    parser.add_argument("--quick", action="store_true", help="in about a minute")
    options = parser.parse_args()
    if options.quick:
        options.changes, options.apps, options.reloads, options.rounds, options.seconds = 30, "1,10,100", 3, 3, 2
    with tempfile.TemporaryDirectory(prefix="berth-bench-", dir="/tmp") as name, world(Path(name)) as edge:
        with contextlib.ExitStack() as stack:
            places = edge.throughput()
            bare, keeping = (
                stack.enter_context(proxies.by_hand(Path(name), "throughput.test", places, more))
                for more in ("", proxies.KEEPING)
            )
            sides = {"edge": (edge.agent.port, edge.agent.haproxies()[-1]), "bare": bare, "keeping": keeping}
            throughput(sides, options.rounds, options.seconds)
        following(edge, [int(count) for count in options.apps.split(",")], options.changes)
        reloading(edge, options.reloads)


class Edge:
    """An edge, and the loop's side of etcd."""

    def __init__(self, agent: EdgeAgent, etcd: Etcd, port: int) -> None:
        self.agent, self.etcd, self._port = agent, etcd, port
        self._next = 0
        self._measured = self.endpoint(0)

    def endpoint(self, slot: int) -> Endpoint:
        """One that was not there before."""
        self._next += 1
        return Endpoint(f"{slot}-{self._next}", proxies.address(self._next), self._port, False)

    def publish(self, app: str, endpoints: int) -> list[Endpoint]:
        config = AppConfig(Protocol.HTTP, 80, RARE, (Route(f"{app}.test", "/"),), endpoints)
        made = [self.endpoint(slot) for slot in range(endpoints)]
        discovery.publish(self.etcd, GROUP, app, config, made)
        return made

    def throughput(self) -> list[str]:
        """An app to put load on; the places of its endpoints."""
        made = self.publish("throughput", 4)
        for endpoint in made:
            self.until_up("throughput", endpoint)
        return [f"{endpoint.address}:{endpoint.port}" for endpoint in made]

    def begin(self) -> None:
        """The app whose changes are measured."""
        self._measured = self.publish(MEASURED, 1)[0]
        self.until_served(MEASURED, self._measured)

    def replace(self) -> float:
        """Seconds until the successor of the measured app's only instance is served."""
        old, new = self._measured, self.endpoint(0)
        key = discovery.endpoint_key(GROUP, MEASURED, new.instance)
        puts = {discovery.CLOCK: f"{GROUP}/{MEASURED}", key: discovery.dump_endpoint(new)}
        began = time.monotonic()
        self.etcd.write(puts, [discovery.endpoint_key(GROUP, MEASURED, old.instance)])
        self.until_served(MEASURED, new)
        self._measured = new
        return time.monotonic() - began

    def until_served(self, app: str, endpoint: Endpoint) -> None:
        wait_for(lambda: self._ask(f"{app}.test") == endpoint.address)

    def until_up(self, app: str, endpoint: Endpoint) -> None:
        def up() -> bool:
            reports = discovery.read_reports(self.etcd, GROUP, app, discovery.read_edges(self.etcd))
            return all(report.probes[endpoint.instance].up for report in reports.values()) if reports else False

        with contextlib.suppress(KeyError):
            wait_for(up, pause=0.05)

    def settled(self) -> None:
        """Wait until the edge has applied everything and sees all of it up."""

        def done() -> bool:
            edges = discovery.read_edges(self.etcd)
            reports = discovery.read_all_reports(self.etcd, edges).values()
            probes = [probe.up for of in reports for report in of.values() for probe in report.probes.values()]
            there = sum("/endpoints/" in key for key in self.etcd.keys(discovery.APPS))
            return len(probes) == there and all(probes)

        wait_for(done, 300, pause=1.0)

    def _ask(self, host: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else ""
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


@contextlib.contextmanager
def world(folder: Path) -> Iterator[Edge]:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(proxies.backends(folder))
        address = stack.enter_context(services.etcd(folder))
        etcd = Etcd(*address, "/berth/")
        stack.callback(etcd.close)
        discovery.mark_complete(etcd)
        redis = stack.enter_context(services.redis(folder))
        agent = stack.enter_context(services.edge(folder, address, env={"BERTH_REDIS_URL": f"unix://{redis}"}))
        wait_for(lambda: bool(discovery.read_edges(etcd)))
        yield Edge(agent, etcd, port)


def following(edge: Edge, counts: list[int], changes: int) -> None:
    """Changes among more and more apps."""
    edge.begin()
    there = 1
    per_change: dict[int, float] = {}
    for count in counts:
        while there < count:
            edge.publish(f"app-{there}", PER_APP)
            there += 1
        edge.settled()
        assert edge.agent.process is not None
        agent = edge.agent.process.pid
        rest = cpu(agent)
        time.sleep(REST)
        rest = (cpu(agent) - rest) / REST
        before, began = cpu(agent), time.monotonic()
        took = sorted(edge.replace() * 1000 for _ in range(changes))
        used = cpu(agent) - before - rest * (time.monotonic() - began)
        per_change[count] = used / changes * 1000
        size = {"apps": count, "endpoints": (count - 1) * PER_APP + 5, "changes": changes}
        figure("change, p50", statistics.median(took), "ms", **size)
        figure("change, p99", took[min(len(took) - 1, round(0.99 * len(took)))], "ms", **size)
        figure("agent CPU per change", per_change[count], "ms", at_rest_percent=round(rest * 100, 2), **size)
    few = per_change.get(10, next(iter(per_change.values())))
    figure(f"agent CPU per change, {counts[-1]} apps over {min(10, counts[-1])}", per_change[counts[-1]] / few, "")


def reloading(edge: Edge, count: int) -> None:
    """New apps beside those that are there."""
    took = []
    for number in range(count):
        began = time.monotonic()
        new = edge.publish(f"new-{number}", 1)[0]
        edge.until_served(f"new-{number}", new)
        took.append((time.monotonic() - began) * 1000)
        time.sleep(1.0)  # else the next would wait for its turn
    said = re.findall(r'"seconds": ([0-9.]+)', "\n".join(reloads(edge)))[-count:]
    figure("new app until served", statistics.median(took), "ms", worst=round(max(took), 1), runs=count)
    figure("reload", statistics.median(float(seconds) for seconds in said) * 1000, "ms", runs=count)
    assert edge.agent.process is not None
    workers = edge.agent.haproxies()
    figure("memory of HAProxy", sum(pss(pid) for pid in workers) / (1 << 20), "MiB", processes=len(workers))
    figure("memory of the agent", pss(edge.agent.process.pid) / (1 << 20), "MiB")


def reloads(edge: Edge) -> list[str]:
    return [line for line in edge.agent.log.read_text().splitlines() if '"reloaded"' in line]


def throughput(sides: dict[str, tuple[int, int]], rounds: int, seconds: int) -> None:
    """All in turns, in another order each time. `sides`: port and process of the edge, and of those it is held to."""
    for connections, fresh in ((CONNECTIONS, False), (CONNECTIONS, True), (2, False)):
        turns = []
        for number in range(rounds):
            first = number % len(sides)
            order = [*sides][first:] + [*sides][:first]
            turns.append({side: measured(*sides[side], connections, seconds, fresh=fresh) for side in order})
        more = {"connections": connections, "fresh": fresh, "runs": rounds}
        if connections == CONNECTIONS:
            compare("throughput", lambda result, _cpu: result.per_second, "1/s", turns, more)
            compare("CPU of HAProxy a request", lambda result, cpu: cpu / result.requests * 1e6, "us", turns, more)
        compare("latency, p50", lambda result, _cpu: result.p50, "ms", turns, more)
        compare("latency, p99", lambda result, _cpu: result.p99, "ms", turns, more)
        figure("failed", sum(result.failed for turn in turns for result, _ in turn.values()), "requests", **more)


Measured = tuple[Result, float]


def measured(port: int, pid: int, connections: int, seconds: int, *, fresh: bool) -> Measured:
    """What wrk measured, and the CPU seconds of the proxy."""
    before = cpu(pid)
    result = wrk(port, "throughput.test", connections, seconds, fresh=fresh)
    return result, cpu(pid) - before


def compare(
    name: str,
    value: Callable[[Result, float], float],
    unit: str,
    turns: list[dict[str, Measured]],
    more: dict[str, object],
) -> None:
    edges = [value(*turn["edge"]) for turn in turns]
    others: dict[str, float] = {}
    for side in ("bare", "keeping"):
        found = [value(*turn[side]) for turn in turns]
        ratio = statistics.median(one / other for one, other in zip(edges, found, strict=True) if other)
        others |= {side: round(statistics.median(found), 3), f"edge_over_{side}": round(ratio, 3)}
    figure(name, statistics.median(edges), unit, **others, **more)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, in user and kernel, with its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(true: Callable[[], bool], seconds: float = 60, pause: float = PAUSE) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit(f"not within {seconds} s")
        time.sleep(pause)


def figure(name: str, value: float, unit: str, **more: object) -> None:
    print(json.dumps({"benchmark": "edge", "figure": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


if __name__ == "__main__":
    main()
