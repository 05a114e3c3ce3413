"""A Docker Engine, things on it that are none of Berth's business, and a Berth that a module's tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import docker
import pytest

from tests import dockerd
from tests.flows.api import Api
from tests.flows.app import GROUP
from tests.flows.installation import Berth, installation
from tests.images import build_image


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """The engine that Berth will find."""
    with dockerd.engine() as url, docker.APIClient(base_url=url, version="auto", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def berth(engine: docker.APIClient) -> Iterator[Berth]:
    with installation() as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def api(berth: Berth) -> Api:
    made = Api.of(berth)
    made("POST", "/groups", {"name": GROUP, "quota": {"cpu": 2, "memory": "1GiB", "disk": "8GiB", "instances": 40}})
    return made


@pytest.fixture
def foreign(engine: docker.APIClient) -> Iterator[dict[str, str]]:
    """A running container, a network, a volume and an image; the first three with another installation's labels."""
    name = f"foreign-{uuid.uuid4().hex[:8]}"
    labels = {"dev.berth.installation": "ffffff", "dev.berth.group": "demo", "dev.berth.app": "hello"}
    image = f"{name}:latest"
    build_image(image)
    network = engine.create_network(name, labels=labels)["Id"]
    volume = engine.create_volume(name, labels=labels)["Name"]
    container = engine.create_container(image, name=name, labels=labels)["Id"]
    try:
        engine.start(container)
        yield {"container": container, "network": network, "volume": volume, "image": image}
    finally:
        engine.remove_container(container, force=True)
        engine.remove_network(network)
        engine.remove_volume(volume)
        engine.remove_image(image)
