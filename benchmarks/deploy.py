"""From an accepted API call to the first 2xx through the edge, over the bare engine's create and start.

    ./berth bench deploy [--runs 5] [--counts 1,24]

It starts a Berth of its own and removes it afterwards. A run makes the same containers twice, one after the other:
bare, by plain engine calls on a bridge network of its own and as many at a time as Berth does, and through the API as
an app with that many replicas. Both begin with an image and a network that are there. `first` is the first 2xx, `all`
the moment by which every instance has answered one, both counted from the moment the API call was accepted; `over_bare`
is the median of the runs' ratios. What the time is spent on comes from the instances' own times: until they were
placed, started and healthy. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import docker

from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec
from scheduler.engine.hostconfig import container_body, network_arguments
from scheduler.model import Resources
from tests.dockerd import engine
from tests.flows.api import Api
from tests.flows.installation import Berth, get, installation

GROUP, APP, HOST = "bench", "deploy", "deploy.bench.localhost"
PARALLEL = 6  # as the loop does
RESOURCES = {"cpu": 0.05, "memory": "16MiB"}
BARE = Labels("bench0", "bare")
NETWORK = NetworkSpec(BARE, "berth-bench0.bare", "10.94.0.0/22")
PAUSE = 0.004  # seconds between two requests of the one that waits for the first answer
LONG_PAUSE = 0.02  # and for everyone's, each of which is a process of the instance's that the engine's starts lack


def main() -> None:
    parser = argparse.ArgumentParser(prog="./berth bench deploy", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--counts", default="1,24", help="numbers of instances (1,24)")
    options = parser.parse_args()
    with engine() as url, docker.APIClient(base_url=url, version="auto") as client, installation() as berth:
        berth.up()
        api = Api.of(berth)
        image = f"127.0.0.1:{berth.env['BERTH_REGISTRY_PORT']}/demo/hello:1"
        quota = {"cpu": 8, "memory": "4GiB", "disk": "8GiB", "instances": 100}
        api("POST", "/groups", {"name": GROUP, "quota": quota})
        through_berth(api, berth, image, 1)  # from now on the group has its network and connections are open
        client.create_network(**network_arguments(NETWORK))
        try:
            for count in (int(number) for number in options.counts.split(",")):
                report(count, [one_run(api, berth, client, image, count) for _ in range(options.runs)])
        finally:
            client.remove_network(NETWORK.name)


def one_run(api: Api, berth: Berth, client: docker.APIClient, image: str, count: int) -> dict[str, float]:
    return {"bare": bare(client, image, count), **through_berth(api, berth, image, count)}


def report(count: int, runs: list[dict[str, float]]) -> None:
    for figure in runs[0]:
        line: dict[str, Any] = {"figure": f"deploy.{figure}", "instances": count}
        line["seconds"] = round(statistics.median(run[figure] for run in runs), 3)
        if figure in ("first", "all"):
            ratios = [run[figure] / run["bare"] for run in runs]
            line |= {"over_bare": round(statistics.median(ratios), 2), "worst_over_bare": round(max(ratios), 2)}
        print(json.dumps({**line, "runs": len(runs)}), flush=True)


def bare(client: docker.APIClient, image: str, count: int) -> float:
    """Seconds that the engine takes to make and start `count` containers like Berth's, asked directly."""

    def one(number: int) -> None:
        labels = Labels("bench0", "bare", "bare", 1, number, number + 1, 1, "t")
        resources = Resources(cpu=50, memory=16 << 20, instances=1)
        address = f"10.94.0.{number + 10}"
        spec = ContainerSpec(labels, image, (), {}, NETWORK.name, address, ("bare",), resources)
        client.start(client.create_container_from_config(container_body(spec), spec.name)["Id"])

    try:
        with ThreadPoolExecutor(PARALLEL) as pool:
            started = time.monotonic()
            list(pool.map(one, range(count)))
            return time.monotonic() - started
    finally:
        for left in client.containers(all=True, filters={"label": [f"{Labels.PREFIX}installation=bench0"]}):
            client.remove_container(left["Id"], force=True, v=True)


def through_berth(api: Api, berth: Berth, image: str, count: int) -> dict[str, float]:
    """Seconds from the accepted call to the first 2xx, and to one of every instance; and what they went on."""
    port = int(berth.env["BERTH_HTTP_PORT"])
    spec = {"name": APP, "image": image, "replicas": count, "resources": RESOURCES, "routes": [{"host": HOST}]}
    operation = api("POST", f"/groups/{GROUP}/apps", spec, status=202)
    accepted, accepted_at = time.monotonic(), time.time()
    first = wait_for(lambda: get(port, "/ok.txt", {"Host": HOST})[0] == 200) - accepted
    seen: set[bytes] = set()

    def all_answered() -> bool:
        status, body = get(port, "/cgi-bin/env", {"Host": HOST})
        if status == 200:
            seen.add(body.splitlines()[0])
        return len(seen) == count

    everyone = wait_for(all_answered, LONG_PAUSE) - accepted
    api.end(operation)
    instances = api("GET", f"/groups/{GROUP}/apps/{APP}/instances")["items"]
    spent = {
        f"until_{what}": max(datetime.fromisoformat(each[f"{what}_at"]).timestamp() for each in instances) - accepted_at
        for what in ("created", "started", "healthy")
    }
    api.end(api("DELETE", f"/groups/{GROUP}/apps/{APP}"))
    return {"first": first, "all": everyone, **spent}


def wait_for(true: Callable[[], bool], pause: float = PAUSE, seconds: float = 120) -> float:
    """When it came true."""
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit(f"not within {seconds} s")
        time.sleep(pause)
    return time.monotonic()


if __name__ == "__main__":
    main()
