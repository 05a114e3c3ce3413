"""Requests that changes of an app cost: rolling deploys, scaling, rollbacks, faults in their midst, bad releases.

    ./berth bench rolling [--deploys 100] [--scales 100] [--rollbacks 50] [--surge 1] [--requests 1000000]
                          [--bad 5] [--updates 3] [--parts plain,faults,edges,never,crash,flap,update]
                          [--quick]

It starts a Berth of its own and removes it afterwards. An app of four instances, each of which ends at once when it is
told to, is under load all the time: requests on fresh and on kept connections, requests that take two seconds, and
websockets (benchmarks/traffic/client.py says what each of them does and when it has failed). Nothing that failed is
asked again, and whatever is not a whole 200 counts.

plain   so many deploys (another environment), scale-ups and scale-downs (4 and 6), and rollbacks; and on with the load
        until so many requests were made
faults  the same, and in the midst of each change one of: edge agent killed, HAProxy reloaded, worker, web, etcd killed
edges   the same with a second edge, which loses its power (agent and HAProxy at once) in the midst of one change and
        comes back in the midst of the next; the first edge is the one under load
never   deploys that never get healthy, until they are rolled back
crash   deploys whose instances are healthy at first and die under load for good, until they are rolled back; what an
        instance of that release answered, or held a websocket of, is `own` and not `failed`. The app says that a new
        instance has to serve for a while (`min_ready`) before an old one goes
flap    the same with instances that their engine brings back each time
update  24 instances, made anew by a deploy, over the bare engine's stop + create + start of the same, as many at a
        time; the median of the ratios of runs that take turns

Websockets are held for less than the app's drain time, and none may break. `lasting` ones are never ended by their
client: they have to outlive the moment at which their instance began to drain by the drain time. A JSON line a figure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import docker

from benchmarks.traffic import image, updates
from benchmarks.traffic.app import ANY, App
from benchmarks.traffic.faults import Faults, OtherEdge, Processes
from benchmarks.traffic.load import KINDS, Failure, Load, load
from scheduler.engine.images import push
from tests.dockerd import engine
from tests.flows.api import Api
from tests.flows.edges import edge_beside
from tests.flows.installation import Berth, installation
from tests.services import EdgeAgent

GROUP, HOST = "bench", "rolling.bench.localhost"
REPLICAS, MORE = 4, 6
DRAIN = 5.0  # seconds: longer than a slow request and a websocket last
SURGES = (6, 24)  # of the update of 24: as many as are made at a time, and all at once
CRASH_AFTER = "200"  # requests
CLIENTS = {"fresh": 4, "kept": 4, "slow": 2, "sockets": 2, "lasting": 1}
PROCESSES = 2
UPDATE = {"max_surge": 1, "max_unavailable": 0, "drain": f"{DRAIN:.0f}s", "stop_timeout": "5s"}
SPEC = {
    "port": 8080,
    "replicas": REPLICAS,
    "resources": {"cpu": 0.15, "memory": "48MiB"},
    "health": {"path": "/health", "interval": "1s", "timeout": "1s", "failures": 2, "grace": "5s"},
    "routes": [{"host": HOST}],
    "update": UPDATE,
}
BAD = {
    "never": {"BROKEN": "1"},
    "crash": {"CRASH_AFTER": CRASH_AFTER, "FOR_GOOD": "1"},
    "flap": {"CRASH_AFTER": CRASH_AFTER},
}
PROVING = "5s"  # longer than they take to be asked so often
WARM = 2000  # requests before anything happens
LISTED = 20  # kinds of failures at most


def main() -> None:
    options = arguments()
    with engine() as url, docker.APIClient(base_url=url, version="auto") as client, installation() as berth:
        berth.up()
        api = Api.of(berth)
        registry = f"127.0.0.1:{berth.env['BERTH_REGISTRY_PORT']}"
        quota = {"cpu": 16, "memory": "16GiB", "disk": "64GiB", "instances": 200}
        api("POST", "/groups", {"name": GROUP, "quota": quota})
        if "update" in options.parts:
            for surge in SURGES:
                updates.report(api, client, f"{registry}/demo/hello:1", options.updates, surge, figure)
        tag = f"{registry}/bench/traffic:1"
        image.build(tag)
        try:
            push(url, tag)
            under_load(api, berth, tag, options)
        finally:
            client.remove_image(tag, force=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./berth bench rolling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deploys", type=int, default=100)
    parser.add_argument("--scales", type=int, default=100, help="up and down again, each")
    parser.add_argument("--rollbacks", type=int, default=50)
    parser.add_argument("--surge", type=int, default=1, help="instances that a deploy may make beyond those wanted")
    parser.add_argument("--requests", type=int, default=1_000_000, help="at least, of plain, faults and edges")
    parser.add_argument("--bad", type=int, default=5, help="deploys of each kind that is rolled back")
    parser.add_argument("--updates", type=int, default=3, help="of 24 instances")
    parser.add_argument("--parts", default="plain,faults,edges,never,crash,flap,update")
    parser.add_argument("--quick", action="store_true", help="a few of each, in some minutes")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if options.quick:
        options.deploys, options.scales, options.rollbacks, options.requests = 3, 2, 1, 0
        options.bad = options.updates = 1
    return options


def under_load(api: Api, berth: Berth, tag: str, options: argparse.Namespace) -> None:
    app = App(api, GROUP, "rolling")
    app.create(image=tag, **{**SPEC, "update": {**UPDATE, "max_surge": options.surge}})
    aside = App(api, GROUP, "aside")
    aside.create(image=tag, **{**SPEC, "replicas": 1, "routes": [{"host": "b.bench.localhost"}]})
    port = int(berth.env["BERTH_HTTP_PORT"])
    if "plain" in options.parts:
        with load(port, HOST, [CLIENTS] * PROCESSES) as seen:
            changes("plain", app, seen, options, None)
        report("plain", seen, app)
    if "faults" in options.parts:
        with load(port, HOST, [CLIENTS] * PROCESSES) as seen:
            changes("faults", app, seen, options, Processes(berth, api, aside.path))
        report("faults", seen, app)
    if "edges" in options.parts:
        with second_edge(berth) as other, load(port, HOST, [CLIENTS] * PROCESSES) as seen:
            changes("edges", app, seen, options, OtherEdge(other))
        report("edges", seen, app)
    if BAD.keys() & set(options.parts):
        app.end(app.begin("PATCH", "", {"update": {"min_ready": PROVING}}))
    for part, env in BAD.items():
        if part in options.parts:
            with load(port, HOST, [CLIENTS] * PROCESSES) as seen:
                own = bad_releases(app, seen, part, env, options.bad)
            report(part, seen, app, own)
    figure("reloads of HAProxy", (berth.home / "logs" / "edge.log").read_text().count('"reloaded"'), "")


@contextlib.contextmanager
def second_edge(berth: Berth) -> Iterator[EdgeAgent]:
    """An edge beside Berth's own, as it would be on another machine."""
    with (
        tempfile.TemporaryDirectory(prefix="berth-bench-", dir="/tmp") as name,
        edge_beside(berth, Path(name)) as other,
    ):
        yield other


def changes(part: str, app: App, seen: Load, options: argparse.Namespace, faults: Faults | None) -> None:
    """All the changes, one after the other, each with a fault in its midst if there are to be any."""
    coming = iter(faults) if faults else None
    wait_for(lambda: seen.requests > WARM)
    took: dict[str, list[float]] = {}
    befell: Counter[str] = Counter()
    for number, (what, change) in enumerate(planned(app, options, part)):
        began, failed = time.time(), len(seen.failed())
        operation = change()
        if faults and coming:
            fault, happen = next(coming)
            time.sleep(number * 0.37 % 2.0)  # elsewhere in the change each time
            happen()
            befell[fault] += 1
            what_for = f"{what}, {fault}"
        else:
            what_for = what
        app.end(operation)
        took.setdefault(what, []).append(time.time() - began)
        if faults:
            faults.mended()
        if len(seen.failed()) > failed:
            shown = [failure for failure in seen.failed(began) if is_failure(failure, app)]
            for failure in shown[:LISTED]:
                figure("failure", failure.what, "", part=part, during=what_for, change=number, **about(failure, began))
    for what, seconds in took.items():
        worst = round(max(seconds), 2)
        figure(f"{what} takes", statistics.median(seconds), "s", part=part, worst=worst, runs=len(seconds))
    for fault, count in befell.items():
        figure(fault, count, "", part=part)
    wait_for(lambda: seen.requests >= options.requests, 36_000)


def planned(app: App, options: argparse.Namespace, part: str) -> Iterator[tuple[str, Callable[[], dict[str, object]]]]:
    """What is to be done, mixed: each with its name and what begins it."""
    for number in range(max(options.deploys, options.scales, options.rollbacks)):
        if number < options.deploys or number < options.rollbacks:
            before = app.release()
        if number < options.deploys:
            env = {"N": f"{part} {number}"}
            yield "deploy", lambda env=env: app.begin("PATCH", "", {"env": env})
        if number < options.scales:
            yield "scale-up", lambda: app.begin("POST", "/scale", {"replicas": MORE})
            yield "scale-down", lambda: app.begin("POST", "/scale", {"replicas": REPLICAS})
        if number < options.rollbacks:
            yield "rollback", lambda before=before: app.begin("POST", "/rollback", {"release": before})


def bad_releases(app: App, seen: Load, part: str, env: dict[str, str], count: int) -> set[str]:
    """Deploys that are to be rolled back, and that are by hand where Berth did not; their instances' hostnames."""
    wait_for(lambda: seen.requests > WARM)
    took, own = [], set()
    outcomes: Counter[str] = Counter()
    for number in range(count):
        before = app.release()
        began = time.time()
        operation = app.end(app.begin("PATCH", "", {"env": {**env, "N": str(number)}}), ANY)
        took.append(time.time() - began)
        status, ended = operation["status"], datetime.fromisoformat(operation["ended_at"]).timestamp()
        outcomes[status] += 1
        if status != "rolled_back":
            app.end(app.begin("POST", "/rollback", {"release": before}))
        own |= app.made_since(began) - app.made_since(ended)
        there = seen.requests
        wait_for(lambda there=there: seen.requests > there + WARM)  # it serves as before
    worst = round(max(took), 2)
    figure("seconds to the end", statistics.median(took), "s", part=part, worst=worst, runs=count, **outcomes)
    return own


def report(part: str, seen: Load, app: App, own: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """What became of all requests of a part. `own`: instances that were to fail."""
    counts, failures, drained = seen.counts(), seen.failed(), app.drained()
    ended = [f for f in failures if f.kind == "lasting" and f.instance in drained and f.at >= drained[f.instance]]
    outlived = [failure.at - drained[failure.instance] for failure in ended]
    fine = {id(failure) for failure in ended if failure.at - drained[failure.instance] >= DRAIN}
    theirs = [failure for failure in failures if failure.instance in own and id(failure) not in fine]
    bad = [failure for failure in failures if id(failure) not in fine and failure.instance not in own]
    kinds = {kind: counts[kind] for kind in KINDS if kind != "lasting"}
    total = sum(kinds.values()) + len(bad) + len(theirs)
    figure("requests", total, "", part=part, **kinds, kept_connections_reopened=counts["reopened"])
    figure("failed", len(bad), "requests", part=part, own=len(theirs))
    alike = Counter((failure.kind, failure.what, failure.instance) for failure in bad)
    for (kind, what, instance), number in alike.most_common(LISTED):
        figure("failed so", number, "requests", part=part, kind=kind, what=what, instance=instance)
    if outlived:
        figure("lasting websockets ended after", min(outlived), "s", part=part, drain=DRAIN, count=len(outlived))
    for share in (0.5, 0.99, 0.9999):
        figure(f"latency, {share:.2%} of fresh and kept", seen.milliseconds(share), "ms", part=part)


def is_failure(failure: Failure, app: App) -> bool:
    """Whether it is one for certain, as far as is known by now."""
    return failure.kind != "lasting" or failure.instance not in app.drained()


def about(failure: Failure, began: float) -> dict[str, object]:
    return {"kind": failure.kind, "instance": failure.instance, "seconds_after": round(failure.at - began, 3)}


def wait_for(true: Callable[[], bool], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit(f"not within {seconds} s")
        time.sleep(0.1)


def figure(name: str, value: float | str, unit: str, **more: object) -> None:
    shown = round(value, 3) if isinstance(value, float) else value
    print(json.dumps({"benchmark": "rolling", "figure": name, "value": shown, "unit": unit, **more}), flush=True)


if __name__ == "__main__":
    main()
