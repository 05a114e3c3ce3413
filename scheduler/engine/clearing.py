"""Removing everything of one installation from an engine, and nothing else: for `./berth down --all`.

What is Berth's carries the label of its installation; its images are named after its own registry, or known by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import docker
import requests

from scheduler.engine.base import EngineError, Labels

TIMEOUT = 60  # seconds for one call


def clear(url: str, installation: str, registry: str, tags: Collection[str] = ()) -> dict[str, int]:
    """Remove this installation's containers, networks and volumes, the images named after `registry`, and `tags`.

    Returns how many of each were removed. `registry` is empty where others push to it too. Raises `EngineError`.
    """
    ours = {"label": [f"{Labels.PREFIX}installation={installation}"]}
    with _client(url) as client:
        containers = _each(client.remove_container, _ids(client.containers(all=True, filters=ours)), force=True, v=True)
        networks = _each(client.remove_network, _ids(client.networks(filters=ours)))
        volumes = [volume["Name"] for volume in client.volumes(filters=ours)["Volumes"] or []]
        images = list(_named_after(registry, tags, client.images()))
        return {
            "containers": containers,
            "networks": networks,
            "volumes": _each(client.remove_volume, volumes),
            "images": _each(client.remove_image, images, busy=True),
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


def _each(remove: Any, names: list[str], *, busy: bool = False, **how: bool) -> int:
    """Remove each; one that is gone already is fine, and with `busy` one that somebody else's container has as well."""
    removed = len(names)
    for name in names:
        try:
            remove(name, **how)
        except docker.errors.NotFound:
            continue
        except docker.errors.APIError as error:
            if not busy or error.status_code != 409:
                raise
            removed -= 1
    return removed


def _repository(tag: str) -> str:
    """`host:5000/name` of `host:5000/name:1`."""
    repository, colon, version = tag.rpartition(":")
    return repository if colon and "/" not in version else tag


def _named_after(registry: str, known: Collection[str], images: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The tags that name the registry or are known, and the like digests of images that have no other name."""
    prefixes = (f"{registry}/",) if registry else ()
    digested = (*prefixes, *(f"{_repository(tag)}@" for tag in known))
    for image in images:
        tags = image.get("RepoTags") or []
        digests = image.get("RepoDigests") or []
        ours = [tag for tag in tags if tag in known or tag.startswith(prefixes)]
        yield from ours
        if set(tags) <= {*ours, "<none>:<none>"}:
            yield from (digest for digest in digests if digest.startswith(digested))
