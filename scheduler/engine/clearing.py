"""Removing everything of one installation from an engine, and nothing else: for `./berth down --all`.

What is Berth's carries the label of its installation; its images are named after its own registry.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import docker
import requests

from scheduler.engine.base import EngineError, Labels

TIMEOUT = 60  # seconds for one call


def clear(url: str, installation: str, registry: str) -> dict[str, int]:
    """Remove this installation's containers, networks and volumes, and the images named after `registry`.

    Returns how many of each there were. `registry` is empty where others push to it too. Raises `EngineError`.
    """
    ours = {"label": [f"{Labels.PREFIX}installation={installation}"]}
    with _client(url) as client:
        containers = _each(client.remove_container, _ids(client.containers(all=True, filters=ours)), force=True, v=True)
        networks = _each(client.remove_network, _ids(client.networks(filters=ours)))
        volumes = [volume["Name"] for volume in client.volumes(filters=ours)["Volumes"] or []]
        images = list(_named_after(registry, client.images())) if registry else []
        return {
            "containers": containers,
            "networks": networks,
            "volumes": _each(client.remove_volume, volumes),
            "images": _each(client.remove_image, images),
        }


def remove_all_containers(url: str) -> None:
    """Remove every container, whoever's: the engine itself is about to be removed. Raises `EngineError`."""
    with _client(url) as client:
        _each(client.remove_container, _ids(client.containers(all=True)), force=True, v=True)


@contextlib.contextmanager
def _client(url: str) -> Iterator[docker.APIClient]:
    try:
        with docker.APIClient(base_url=url, version="auto", timeout=TIMEOUT) as client:
            yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineError(str(error)) from error


def _ids(found: Iterable[Mapping[str, Any]]) -> list[str]:
    return [item["Id"] for item in found]


def _each(remove: Any, names: list[str], **how: bool) -> int:
    """Remove each; one that is gone already is fine."""
    for name in names:
        with contextlib.suppress(docker.errors.NotFound):
            remove(name, **how)
    return len(names)


def _named_after(registry: str, images: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The tags that name the registry, and the digests of images that have no other name."""
    prefix = f"{registry}/"
    for image in images:
        tags = image.get("RepoTags") or []
        digests = image.get("RepoDigests") or []
        yield from (tag for tag in tags if tag.startswith(prefix))
        if all(tag.startswith(prefix) or tag == "<none>:<none>" for tag in tags):
            yield from (digest for digest in digests if digest.startswith(prefix))
