"""From an accepted API call to the first 2xx through the edge, over the bare engine's create and start.

    ./berth bench deploy [--runs 5] [--counts 1,24]

Against a Berth that runs (`./berth up`). A run makes the same containers twice, one after the other: bare, by plain
engine calls on a bridge network of its own, six at a time, and through the API as an app with that many replicas. The
ratio is the median of the runs' ratios. `first` is the first 2xx, `all` the moment by which every instance has
answered one; both count from the moment the API call returned. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")

import django  # noqa: E402

django.setup()

import docker  # noqa: E402
from django.conf import settings  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.accounts.services import create_token, revoke_token  # noqa: E402
from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec  # noqa: E402
from scheduler.engine.hostconfig import container_arguments, network_arguments  # noqa: E402
from scheduler.model import Resources  # noqa: E402

GROUP, APP, HOST = "bench", "deploy", "deploy.bench.localhost"
PARALLEL = 6
RESOURCES = {"cpu": 0.05, "memory": "16MiB"}


class Api:
    """Just enough of a client: JSON in, JSON out, loud about anything but success."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, method: str, path: str, body: object = None, ok: tuple[int, ...] = (200, 201, 202, 204)) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", settings.BERTH.port, timeout=90)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status not in ok:
            raise SystemExit(f"{method} {path}: {response.status} {content.decode()}")
        return json.loads(content) if content else {}

    def finished(self, operation: dict) -> dict:
        while operation["status"] in ("pending", "running"):
            operation = self("GET", f"/operations/{operation['id']}?wait=60")
        if operation["status"] != "succeeded":
            raise SystemExit(json.dumps(operation))
        return operation


def bare(image: str, count: int) -> float:
    """Seconds that the engine takes to make and start `count` containers like Berth's, asked directly."""
    client = docker.APIClient(base_url=settings.BERTH.engine or "unix:///var/run/docker.sock", version="auto")
    client.mount("http+docker://", client.get_adapter("http+docker://"))
    labels = Labels("bench0", "bare")
    network = NetworkSpec(labels, "berth-bench0.bare", "10.94.0.0/22")
    client.create_network(**network_arguments(network))

    def one(number: int) -> str:
        own = Labels("bench0", "bare", "bare", 1, number, number + 1, 1, "t")
        resources = Resources(cpu=50, memory=16 << 20, instances=1)
        address = f"10.94.0.{number + 10}"
        spec = ContainerSpec(own, image, (), {}, network.name, address, ("bare",), resources)
        made = client.create_container_from_config(container_arguments(spec), spec.name)
        client.start(made["Id"])
        return made["Id"]

    ids: list[str] = []
    try:
        started = time.monotonic()
        with ThreadPoolExecutor(PARALLEL) as pool:
            ids = list(pool.map(one, range(count)))
        return time.monotonic() - started
    finally:
        for leftover in client.containers(all=True, filters={"label": [f"{Labels.PREFIX}installation=bench0"]}):
            client.remove_container(leftover["Id"], force=True, v=True)
        client.remove_network(network.name)


def answering(path: str = "/cgi-bin/hostname") -> str | None:
    """Which instance answers through the edge, None for anything but a 2xx."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.BERTH.http_port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": HOST})
        response = connection.getresponse()
        content = response.read().decode(errors="replace").strip()
        return content if 200 <= response.status < 300 else None
    except OSError:
        return None
    finally:
        connection.close()


def through_berth(api: Api, image: str, count: int) -> tuple[float, float, dict]:
    """Seconds from the accepted call to the first 2xx, and until every instance answered one; and the operation."""
    quota = {"resources": RESOURCES, "replicas": count, "routes": [{"host": HOST}], "health": {"interval": "1s"}}
    operation = api("POST", f"/groups/{GROUP}/apps", {"name": APP, "image": image, "port": 8080, **quota})
    accepted = time.monotonic()
    first = wait_for(lambda: answering() is not None) - accepted
    seen: set[str | None] = set()

    def all_answered() -> bool:
        seen.add(answering())
        return len(seen - {None}) >= count

    everyone = wait_for(all_answered) - accepted
    operation = api.finished(operation)
    api.finished(api("DELETE", f"/groups/{GROUP}/apps/{APP}"))
    return first, everyone, operation


def wait_for(true: Callable[[], bool], seconds: float = 120) -> float:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit(f"not within {seconds} s")
        time.sleep(0.005)
    return time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--counts", default="1,24")
    parser.add_argument("--image", default=f"{settings.BERTH.registry_address}/berth/hello:1")
    args = parser.parse_args()
    token, secret = create_token(User.objects.filter(is_superuser=True).first(), f"bench {time.time()}")
    api = Api(secret)
    quota = {"cpu": 8, "memory": "4GiB", "disk": "8GiB", "instances": 100}
    api("POST", "/groups", {"name": GROUP, "quota": quota})
    try:
        through_berth(api, args.image, 1)  # the network exists, the image is present, connections are open
        for count in (int(n) for n in args.counts.split(",")):
            runs = []
            for _ in range(args.runs):
                alone = bare(args.image, count)
                first, everyone, _ = through_berth(api, args.image, count)
                runs.append({"bare": alone, "first": first, "all": everyone})
            for figure in ("bare", "first", "all"):
                values = [run[figure] for run in runs]
                line = {
                    "figure": f"deploy.{figure}",
                    "instances": count,
                    "seconds": round(statistics.median(values), 3),
                }
                if figure != "bare":
                    ratios = [run[figure] / run["bare"] for run in runs]
                    line["over_bare"] = round(statistics.median(ratios), 2)
                    line["worst_over_bare"] = round(max(ratios), 2)
                print(json.dumps({**line, "runs": args.runs}), flush=True)
    finally:
        api("DELETE", f"/groups/{GROUP}", ok=(204, 404, 409))
        revoke_token(token.user, token)


if __name__ == "__main__":
    main()
