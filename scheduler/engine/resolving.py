"""What an image reference means right now: the content, not the tag, is what a release pins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import docker
import requests

from scheduler.engine.base import ImageUnknown, ResolvedImage
from scheduler.engine.failures import explanation, words
from scheduler.engine.reading import lowest_port

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{{1,5}})?/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_ID = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def resolve(reference: str, engine: docker.APIClient, registry: docker.APIClient) -> ResolvedImage:
    """The first of these that holds:

    1. An image id, or a digest that the engine has: itself.
    2. A tag that the engine has and did not pull: the image was made here, and a registry's image of that name is
       somebody else's. The digest under which it was pushed elsewhere, or else its id.
    3. What the registry says; of an image for several platforms the index, in which every node finds its own.
    4. A tag that the engine once pulled, when the registry does not say: the digest that it pulled.

    `engine` answers from what it has; `registry` is the same engine, with as much patience as a registry is worth.
    Raises `ImageUnknown`, and what docker-py raises when the engine itself does not answer.
    """
    if _ID.fullmatch(reference):
        image = _local(engine, reference)
        if image is None:
            raise ImageUnknown(f"the engine has no image {reference}")
        return _resolved(reference, image)
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ImageUnknown(f"not an image reference: {words(reference)!r}")
    name, digest = _familiar(match["name"]), match["digest"]
    exact = f"{name}@{digest}" if digest else f"{name}:{match['tag'] or 'latest'}"
    image = _local(engine, exact)
    if image is not None and digest:
        return _resolved(exact, image)
    digests = list((image or {}).get("RepoDigests") or ())
    pulled = next((known for known in digests if known.startswith(f"{name}@")), None)
    if image is not None and pulled is None:
        return _resolved(digests[0] if digests else image["Id"], image)
    try:
        current = f"{name}@{registry.inspect_distribution(exact)['Descriptor']['digest']}"
    except (docker.errors.DockerException, requests.RequestException) as error:
        if image is None or pulled is None:
            raise ImageUnknown(_why(exact, error)) from error
        return _resolved(pulled, image)
    return _resolved(current, image if current in digests else None)


def _local(engine: docker.APIClient, exact: str) -> Mapping[str, Any] | None:
    try:
        image: Mapping[str, Any] = engine.inspect_image(exact)
    except docker.errors.ImageNotFound:
        return None
    return image


def _familiar(name: str) -> str:
    """The name as Docker shows it: without what it leaves out of its own registry's names."""
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    return name.removeprefix("library/") if name.count("/") == 1 else name


def _resolved(digest: str, image: Mapping[str, Any] | None) -> ResolvedImage:
    return ResolvedImage(digest, image["Size"] if image else None, lowest_port(image) if image else None)


def _why(exact: str, error: Exception) -> str:
    if isinstance(error, docker.errors.APIError):
        return f"{exact}: {words(explanation(error))}"
    return f"{exact}: its registry does not answer"
