"""What `./berth down --all` removes of images: its own names, and no one else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import docker
import pytest

from scheduler.engine import clearing
from scheduler.engine.images import File, build
from tests import dockerd


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with dockerd.engine() as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[docker.APIClient]:
    with docker.APIClient(base_url=url, version="auto", timeout=60) as made:
        yield made


@pytest.fixture
def registry(client: docker.APIClient) -> Iterator[str]:
    """A name of a registry that nobody else uses; whatever is named after it is gone afterwards."""
    name = f"{uuid.uuid4().hex}.example:5000"
    yield name
    for tag in named_after(client, name):
        client.remove_image(tag, force=True)


def image(url: str, tag: str) -> str:
    return build(url, tag, {"Dockerfile": File(b"FROM scratch\nCOPY name /name\n"), "name": File(tag.encode())})


def named_after(client: docker.APIClient, registry: str) -> set[str]:
    return {tag for one in client.images() for tag in one["RepoTags"] or [] if tag.startswith(registry)}


def test_of_a_registry_that_others_use_the_known_names_alone_are_removed(
    url: str, client: docker.APIClient, registry: str
) -> None:
    ours, theirs, longer = (f"{registry}/demo/{name}" for name in ("hello:1", "hello:12", "hello-2:1"))
    for tag in (ours, theirs, longer):
        image(url, tag)
    counted = clearing.clear(url, "ffffff", "", [ours])
    assert counted == {"containers": 0, "networks": 0, "volumes": 0, "images": 1}
    assert named_after(client, registry) == {theirs, longer}
    assert clearing.clear(url, "ffffff", "", [ours])["images"] == 0


def test_of_the_embedded_registry_every_name_is_removed(url: str, client: docker.APIClient, registry: str) -> None:
    image(url, f"{registry}/web:1")
    image(url, f"{registry}/web:2")
    assert clearing.clear(url, "ffffff", registry)["images"] == 2
    assert named_after(client, registry) == set()


def test_a_name_that_somebody_elses_container_uses_is_left(url: str, client: docker.APIClient, registry: str) -> None:
    tag = f"{registry}/demo/hello:1"
    image(url, tag)
    container = client.create_container(tag, ["/name"])["Id"]
    try:
        assert clearing.clear(url, "ffffff", "", [tag])["images"] == 0
        assert named_after(client, registry) == {tag}
    finally:
        client.remove_container(container, force=True)
