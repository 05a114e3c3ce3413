"""An update of 24 instances, over the bare engine's stop + create + start of the same."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import docker

from benchmarks.traffic.app import App
from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec
from scheduler.engine.hostconfig import container_body, network_arguments
from scheduler.model import Resources
from tests.flows.api import Api

COUNT = 24
PARALLEL = 6  # as the loop does
STOP = 2  # seconds
BARE = Labels("bench0", "bare")
NETWORK = NetworkSpec(BARE, "berth-bench0.bare", "10.94.0.0/22")
SPEC = {
    "replicas": COUNT,
    "resources": {"cpu": 0.03, "memory": "16MiB"},
    "health": {"path": "/ok.txt"},
    "routes": [{"host": "update.bench.localhost"}],
}


def report(api: Api, client: docker.APIClient, image: str, runs: int, surge: int, figure: Callable[..., None]) -> None:
    """Runs of both, one after the other in turns; `surge` instances more than there are to be at once."""
    app = App(api, "bench", "update")
    policy = {"max_surge": surge, "max_unavailable": 0, "drain": "2s", "stop_timeout": f"{STOP}s"}
    app.create(image=image, **SPEC, update=policy)
    client.create_network(**network_arguments(NETWORK))
    bare = Bare(client, image)
    try:
        bare.start(range(COUNT))
        pairs = [(bare.update(), _update(app, number)) for number in range(runs)]
    finally:
        bare.clear()
        client.remove_network(NETWORK.name)
        app.delete()
    ratios = [through / direct for direct, through in pairs]
    more = {"part": "update", "surge": surge, "runs": runs}
    figure("bare update of 24", statistics.median(direct for direct, _ in pairs), "s", **more)
    figure("update of 24", statistics.median(through for _, through in pairs), "s", **more)
    figure("update of 24 over bare", statistics.median(ratios), "", worst=round(max(ratios), 2), **more)


def _update(app: App, number: int) -> float:
    """Seconds from the accepted call until nothing of the release before is left and all is healthy."""
    operation = app.begin("PATCH", "", {"env": {"N": str(number)}})
    began = time.monotonic()
    app.end(operation)
    return time.monotonic() - began


class Bare:
    """Containers like Berth's, by plain engine calls."""

    def __init__(self, client: docker.APIClient, image: str) -> None:
        self._client, self._image = client, image
        self._next = COUNT
        self._running: list[str] = []

    def start(self, numbers: range) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            self._running = list(pool.map(self._one, numbers))

    def update(self) -> float:
        """Seconds to stop each and make and start another in its place."""
        began = time.monotonic()
        with ThreadPoolExecutor(PARALLEL) as pool:
            numbers = range(self._next, self._next + COUNT)
            self._running = list(pool.map(self._replace, self._running, numbers))
        took = time.monotonic() - began
        self._next += COUNT
        self._remove("exited")
        return took

    def clear(self) -> None:
        self._remove("")

    def _replace(self, old: str, number: int) -> str:
        self._client.stop(old, timeout=STOP)
        return self._one(number)

    def _one(self, number: int) -> str:
        labels = Labels("bench0", "bare", "bare", 1, number, number + 1, 1, "t")
        resources = Resources(cpu=30, memory=16 << 20, instances=1)
        address = f"10.94.{number // 200}.{number % 200 + 10}"
        spec = ContainerSpec(labels, self._image, (), {}, NETWORK.name, address, ("bare",), resources)
        made = str(self._client.create_container_from_config(container_body(spec), spec.name)["Id"])
        self._client.start(made)
        return made

    def _remove(self, status: str) -> None:
        filters = {"label": [f"{Labels.PREFIX}installation=bench0"], **({"status": [status]} if status else {})}
        for left in self._client.containers(all=True, filters=filters):
            self._client.remove_container(left["Id"], force=True, v=True)
