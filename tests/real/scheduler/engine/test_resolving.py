"""What a reference means, with a real registry at hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from scheduler.engine.base import ImageUnknown, ImageUnpullable
from scheduler.engine.images import push
from tests import services
from tests.images import build_image
from tests.real.scheduler.engine.subject import DockerSubject

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass
class Shelf:
    """A repository of its own in a registry, and the engine's local images of it."""

    name: str
    registry: str
    subject: DockerSubject

    def put(self, tag: str, content: str) -> str:
        """Build and push an image; returns its id, and leaves it on the engine."""
        image = build_image(f"{self.name}:{tag}", {"/content": content}, expose=["9090"], url=self.subject.url)
        push(self.subject.url, f"{self.name}:{tag}")
        return image

    def forget(self, tag: str) -> None:
        """The engine no longer has it."""
        self.subject.api.remove_image(f"{self.name}:{tag}", force=True)

    def address(self, reference: str) -> str:
        host, repository = self.name.split("/", 1)
        return f"http://{host}/v2/{repository}/manifests/{reference}"

    def digest(self, tag: str) -> str:
        head = requests.head(self.address(tag), headers={"Accept": f"{MANIFEST}, {INDEX}"}, timeout=5)
        return f"{self.name}@{head.headers['Docker-Content-Digest']}"


@pytest.fixture
def shelf(subject: DockerSubject, tmp_path: Path) -> Iterator[Shelf]:
    with services.registry(tmp_path) as address:
        shelf = Shelf(f"{address}/team/web", address, subject)
        yield shelf
        for image in subject.api.images(shelf.name):
            subject.api.remove_image(image["Id"], force=True)


def test_a_tag_in_a_registry_means_its_digest(shelf: Shelf) -> None:
    shelf.put("1", "one")
    shelf.forget("1")
    resolved = shelf.subject.engine.resolve_image(f"{shelf.name}:1")
    assert resolved.digest == shelf.digest("1")
    assert (resolved.size, resolved.port) == (None, None)


def test_what_is_known_here_tells_size_and_port(shelf: Shelf) -> None:
    shelf.put("1", "one")
    resolved = shelf.subject.engine.resolve_image(f"{shelf.name}:1")
    assert resolved.digest == shelf.digest("1")
    assert resolved.port == 9090
    assert (resolved.size or 0) > 0


def test_a_moved_tag_means_what_the_registry_says_now(shelf: Shelf) -> None:
    shelf.put("1", "one")
    shelf.put("2", "two")
    moved = requests.get(shelf.address("2"), headers={"Accept": MANIFEST}, timeout=5)
    requests.put(
        shelf.address("1"), data=moved.content, headers={"Content-Type": MANIFEST}, timeout=5
    ).raise_for_status()
    assert shelf.subject.engine.resolve_image(f"{shelf.name}:1").digest == shelf.digest("2")


def test_an_image_for_several_platforms_means_its_index(shelf: Shelf) -> None:
    shelf.put("1", "one")
    manifest = requests.get(shelf.address("1"), headers={"Accept": MANIFEST}, timeout=5).content
    entry = {
        "mediaType": MANIFEST,
        "size": len(manifest),
        "digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    requests.put(shelf.address("all"), data=index, headers={"Content-Type": INDEX}, timeout=5).raise_for_status()
    shelf.forget("1")
    resolved = shelf.subject.engine.resolve_image(f"{shelf.name}:all").digest
    assert resolved == f"{shelf.name}@sha256:{hashlib.sha256(index).hexdigest()}"
    shelf.subject.engine.pull(resolved)
    assert shelf.subject.engine.has_image(resolved)


def test_a_pulled_digest_is_there_and_means_itself(shelf: Shelf) -> None:
    image = shelf.put("1", "one")
    digest = shelf.digest("1")
    shelf.forget("1")
    assert not shelf.subject.engine.has_image(digest)
    shelf.subject.engine.pull(digest)
    shelf.subject.engine.pull(digest)
    assert shelf.subject.api.inspect_image(digest)["Id"] == image
    assert shelf.subject.engine.resolve_image(digest).digest == digest
    assert shelf.subject.engine.image_sizes()[digest] > 0


def test_a_tag_that_the_registry_lacks_is_unknown(shelf: Shelf) -> None:
    shelf.put("1", "one")
    with pytest.raises(ImageUnknown, match="manifest unknown"):
        shelf.subject.engine.resolve_image(f"{shelf.name}:2")


def test_a_digest_that_the_registry_lacks_cannot_be_pulled(shelf: Shelf) -> None:
    shelf.put("1", "one")
    with pytest.raises(ImageUnpullable, match="manifest unknown"):
        shelf.subject.engine.pull(f"{shelf.name}@sha256:{'a' * 64}")


def test_without_its_registry_a_tag_means_what_was_pulled(subject: DockerSubject, tmp_path: Path) -> None:
    with services.registry(tmp_path) as address:
        shelf = Shelf(f"{address}/team/web", address, subject)
        image = shelf.put("1", "one")
        digest = shelf.digest("1")
    try:
        assert subject.engine.resolve_image(f"{shelf.name}:1").digest == digest
    finally:
        subject.api.remove_image(image, force=True)


def test_a_local_tag_of_a_pushed_image_means_the_digest_under_which_it_was_pushed(shelf: Shelf) -> None:
    image = shelf.put("1", "one")
    shelf.subject.api.tag(image, "berth-test/alias", "1")
    try:
        assert shelf.subject.engine.resolve_image("berth-test/alias:1").digest == shelf.digest("1")
    finally:
        shelf.subject.api.remove_image("berth-test/alias:1")
