"""`./berth down --all`: remove what Berth created, and nothing else.

On an engine, what is Berth's carries the label of this installation, and its images are named after its registry.
What lies in a database, Redis, etcd or registry whose address was given is left: others may use it too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cloud.config import Config
from cloud.supervisor import engine, front, home

LABEL = "dev.berth.installation"
TIMEOUT = 60  # seconds for one call to an engine


def node_urls(config: Config) -> set[str]:
    """The engines of all nodes that were enrolled, as far as the database can still tell, and this machine's own."""
    urls = set()
    with contextlib.suppress(engine.EngineMissing):
        url, own = engine.find(config)
        if own is None or own.identity() is not None:
            urls.add(url)
    with contextlib.suppress(Exception):  # whatever is wrong with the database, the rest is removed all the same
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")
        import django

        django.setup()
        from apps.nodes.models import Node

        urls.update(Node.objects.values_list("engine_url", flat=True))
    return urls


def clear_engine(url: str, config: Config) -> str:
    """Remove this installation's containers, networks, volumes and images from one engine; says how many."""
    import docker

    with docker.APIClient(base_url=url, version="auto", timeout=TIMEOUT) as client:
        gone = docker.errors.NotFound
        ours = {"label": [f"{LABEL}={config.installation}"]}
        containers = [item["Id"] for item in client.containers(all=True, filters=ours)]
        for container in containers:
            with contextlib.suppress(gone):
                client.remove_container(container, force=True, v=True)
        networks = [item["Id"] for item in client.networks(filters=ours)]
        for network in networks:
            with contextlib.suppress(gone):
                client.remove_network(network)
        volumes = [item["Name"] for item in client.volumes(filters=ours)["Volumes"] or []]
        for volume in volumes:
            with contextlib.suppress(gone):
                client.remove_volume(volume)
        images = list(_references(client.images(), config))
        for image in images:
            with contextlib.suppress(gone):
                client.remove_image(image)
    counted = {"container": containers, "network": networks, "volume": volumes, "image": images}
    return ", ".join(f"{len(of)} {name}{'s' * (len(of) != 1)}" for name, of in counted.items() if of) or "nothing"


def _references(images: Iterable[dict[str, list[str] | None]], config: Config) -> Iterable[str]:
    """Tags and digests that name the embedded registry: nobody else can have pushed there."""
    if config.registry:
        return
    prefix = f"{config.registry_address}/"
    for image in images:
        tags = image.get("RepoTags") or []
        yield from (name for name in tags if name.startswith(prefix))
        if not any(not name.startswith(prefix) for name in tags):
            yield from (name for name in image.get("RepoDigests") or [] if name.startswith(prefix))


def end_edge(config: Config) -> None:
    front.end(config.home)


def end_engine(config: Config) -> bool:
    """End our own engine with everything on it; False when there is none."""
    own = engine.OwnEngine(config.home, config.installation)
    if not own.known:
        return False
    if engine.alive(own.url):
        import docker

        with docker.APIClient(base_url=own.url, version="auto", timeout=TIMEOUT) as client:
            for item in client.containers(all=True):  # with live-restore they would outlive it
                with contextlib.suppress(docker.errors.NotFound):
                    client.remove_container(item["Id"], force=True, v=True)
    own.stop()
    _unmount(own.data, own.short)
    for folder in (own.data, own.short):
        subprocess.run([*engine.as_root(), "rm", "-rf", "--one-file-system", str(folder)], check=False)
    return True


def _unmount(*folders: Path) -> None:
    """What a dockerd leaves mounted: layers and network namespaces."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    for point in reversed(points):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            subprocess.run([*engine.as_root(), "umount", "--lazy", point], check=False)


def remove_home(config: Config) -> None:
    """Remove BERTH_HOME, but only a folder that Berth made its own."""
    if (config.home / home.MARK).exists():
        shutil.rmtree(config.home)
