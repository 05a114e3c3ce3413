"""What `./berth down --all` removes: of images its own names, of the rest its own labels, and no one else's."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import docker
import pytest

from scheduler.engine import clearing
from scheduler.engine.base import Labels
from scheduler.engine.images import File, build
from tests import dockerd
from tests.images import build_image


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
    cleared = clearing.clear(url, "ffffff", "", [ours])
    assert cleared.left == ()
    assert cleared.removed == {"containers": 0, "networks": 0, "volumes": 0, "images": 1}
    assert named_after(client, registry) == {theirs, longer}
    assert clearing.clear(url, "ffffff", "", [ours]).removed["images"] == 0


def test_of_the_embedded_registry_every_name_is_removed(url: str, client: docker.APIClient, registry: str) -> None:
    image(url, f"{registry}/web:1")
    image(url, f"{registry}/web:2")
    assert clearing.clear(url, "ffffff", registry).removed["images"] == 2
    assert named_after(client, registry) == set()


def test_a_name_that_somebody_elses_container_uses_is_left(url: str, client: docker.APIClient, registry: str) -> None:
    tag = f"{registry}/demo/hello:1"
    image(url, tag)
    container = client.create_container(tag, ["/name"])["Id"]
    try:
        assert clearing.clear(url, "ffffff", "", [tag]).removed["images"] == 0
        assert named_after(client, registry) == {tag}
    finally:
        client.remove_container(container, force=True)


def test_what_somebody_elses_container_holds_stays_and_is_named_and_the_rest_goes(
    url: str, client: docker.APIClient, registry: str
) -> None:
    installation, tag = uuid.uuid4().hex[:6], f"{registry}/web:1"
    labels = {f"{Labels.PREFIX}installation": installation}
    build_image(tag)
    held, free, theirs = (f"berth-{installation}.{name}" for name in ("held", "free", "theirs"))
    for name in (held, free):
        client.create_network(name, labels=labels)
        client.create_volume(name, labels=labels)
    ours = client.create_container(tag, labels=labels)["Id"]
    binds = client.create_host_config(binds=[f"{held}:/data"], network_mode=held)
    sneaky = client.create_container(tag, name=theirs, host_config=binds)["Id"]
    try:
        client.start(sneaky)
        assert theirs in clearing.foreign(url, installation, registry).containers
        assert tag not in clearing.foreign(url, installation, registry).images
        assert held not in clearing.foreign(url, installation, registry).volumes
        cleared = clearing.clear(url, installation, "")
        assert cleared.removed == {"containers": 1, "networks": 1, "volumes": 1, "images": 0}
        assert cleared.left == (
            f"network {held} is used by container {theirs}, which is not Berth's: "
            "disconnect or remove it, then say this again",
            f"volume {held} is used by container {theirs}, which is not Berth's: remove it, then say this again",
        )
        assert client.inspect_container(sneaky)["State"]["Running"]
        assert held in client.inspect_container(sneaky)["NetworkSettings"]["Networks"]
        client.remove_container(sneaky, force=True)
        assert clearing.clear(url, installation, "").left == ()
        assert client.networks(filters={"label": f"{Labels.PREFIX}installation={installation}"}) == []
    finally:
        for one in (sneaky, ours):
            with contextlib.suppress(docker.errors.NotFound):
                client.remove_container(one, force=True)
        clearing.clear(url, installation, registry)
