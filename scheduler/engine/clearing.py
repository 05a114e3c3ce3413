"""Removing everything of one installation from an engine, and nothing else: for `./berth down --all`.

What is Berth's carries the label of its installation; its images are named after its own registry, or known by name.
What is not is neither removed nor disconnected: where it holds something of Berth's, that stays, and is named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import docker
import requests

from scheduler.engine.base import EngineError, Labels

TIMEOUT = 60  # seconds for one call


@dataclass(frozen=True, slots=True)
class Cleared:
    removed: dict[str, int]  # how many containers, networks, volumes and images
    left: tuple[str, ...]  # what could not be removed, each with who holds it and what to do


@dataclass(frozen=True, slots=True)
class Foreign:
    """The names of what is not Berth's on an engine."""

    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    images: tuple[str, ...]


def clear(url: str, installation: str, registry: str, tags: Collection[str] = ()) -> Cleared:
    """Remove this installation's containers, networks and volumes, the images named after `registry`, and `tags`.

    `registry` is empty where others push to it too. Raises `EngineError`.
    """
    ours = {"label": [_label(installation)]}
    with _client(url) as client:
        left: list[str] = []

        def each(kind: str, names: Mapping[str, str], remove: Callable[[str], Any]) -> int:
            """Remove each, by its id; one that is gone already is fine. Whatever goes wrong, the next one is tried."""
            stayed = len(left)
            for one, name in names.items():
                try:
                    remove(one)
                except docker.errors.NotFound:
                    continue
                except docker.errors.APIError as error:
                    holders = _holders(client, kind, one) - set(containers.values())
                    left.append(f"{kind} {name} {_why(kind, holders, error)}")
            return len(names) - (len(left) - stayed)

        containers = {item["Id"]: _name(item) for item in client.containers(all=True, filters=ours)}
        networks = {item["Id"]: item["Name"] for item in client.networks(filters=ours)}
        volumes = {item["Name"]: item["Name"] for item in client.volumes(filters=ours)["Volumes"] or []}
        removed = {
            "containers": each("container", containers, lambda one: client.remove_container(one, force=True, v=True)),
            "networks": each("network", networks, client.remove_network),
            "volumes": each("volume", volumes, client.remove_volume),
            "images": sum(_remove_image(client, name) for name in _named_after(registry, tags, client.images())),
        }
        return Cleared(removed, tuple(left))


def foreign(url: str, installation: str, registry: str, tags: Collection[str] = ()) -> Foreign:
    """What `clear` with the same arguments would leave, and `remove_all_containers` and the engine's end would not.

    Raises `EngineError`.
    """
    label = _label(installation).partition("=")
    with _client(url) as client:
        containers = client.containers(all=True)
        theirs = [item for item in containers if (item["Labels"] or {}).get(label[0]) != label[2]]
        # an image may have its containers make volumes, which carry no label
        ours = {mount.get("Name") for item in containers if item not in theirs for mount in item["Mounts"]}
        volumes = client.volumes()["Volumes"] or []
        images = client.images()
        known = set(_named_after(registry, tags, images))
        named = [name for image in images for name in image.get("RepoTags") or [] if name != "<none>:<none>"]
        return Foreign(
            tuple(sorted(_name(item) for item in theirs)),
            tuple(
                sorted(
                    item["Name"]
                    for item in volumes
                    if (item["Labels"] or {}).get(label[0]) != label[2] and item["Name"] not in ours
                )
            ),
            tuple(sorted(name for name in named if name not in known)),
        )


def remove_all_containers(url: str) -> None:
    """Remove every container, whoever's: the engine itself is about to be removed. Raises `EngineError`."""
    with _client(url) as client:
        for item in client.containers(all=True):
            with contextlib.suppress(docker.errors.NotFound):
                client.remove_container(item["Id"], force=True, v=True)


@contextlib.contextmanager
def _client(url: str) -> Iterator[docker.APIClient]:
    try:
        with docker.APIClient(base_url=url, version="auto", timeout=TIMEOUT) as client:
            yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineError(str(error)) from error


def _label(installation: str) -> str:
    return f"{Labels.PREFIX}installation={installation}"


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Names"][0].removeprefix("/")) if container["Names"] else str(container["Id"][:12])


def _holders(client: docker.APIClient, kind: str, one: str) -> set[str]:
    """The names of the containers that use it."""
    with contextlib.suppress(docker.errors.APIError):
        if kind == "network":
            return {item["Name"] for item in (client.inspect_network(one)["Containers"] or {}).values()}
        if kind == "volume":
            return {_name(item) for item in client.containers(all=True, filters={"volume": one})}
    return set()


def _why(kind: str, foreign: set[str], error: docker.errors.APIError) -> str:
    """Why something could not be removed: who holds it and what to do, or what the engine said."""
    if not foreign:
        return f"was not removed: {error.explanation or error}"
    remedy = "remove" if kind == "volume" else "disconnect or remove"
    if len(foreign) > 1:
        return (
            f"is used by containers {', '.join(sorted(foreign))}, which are not Berth's: "
            f"{remedy} them, then say this again"
        )
    return f"is used by container {foreign.pop()}, which is not Berth's: {remedy} it, then say this again"


def _remove_image(client: docker.APIClient, name: str) -> bool:
    """False for one that is gone, and for one that somebody else's container has as well."""
    try:
        client.remove_image(name)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True


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
