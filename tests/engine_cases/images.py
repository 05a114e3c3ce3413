"""Images: what a reference means, and fetching them."""

from __future__ import annotations

import pytest

from scheduler.engine.base import (
    ImageUnknown,
    ImageUnpullable,
)
from tests.engine_cases.subject import NOWHERE, Subject


def test_a_tag_means_its_image(subject: Subject) -> None:
    resolved = subject.engine.resolve_image(subject.tag)
    assert (resolved.digest, resolved.port) == (subject.digest, 8080)
    assert subject.engine.has_image(resolved.digest)


def test_an_image_id_means_itself(subject: Subject) -> None:
    assert subject.engine.resolve_image(subject.digest).digest == subject.digest


@pytest.mark.parametrize("reference", [NOWHERE, "127.0.0.1:1/nothing:1", f"127.0.0.1:1/nothing@{NOWHERE}", "NO!"])
def test_what_nobody_knows_is_unknown(subject: Subject, reference: str) -> None:
    with pytest.raises(ImageUnknown):
        subject.engine.resolve_image(reference)


def test_pulling_what_is_there_is_done_at_once(subject: Subject) -> None:
    subject.engine.pull(subject.digest)


@pytest.mark.parametrize("digest", [NOWHERE, f"127.0.0.1:1/nothing@{NOWHERE}"])
def test_what_no_registry_gives_cannot_be_pulled(subject: Subject, digest: str) -> None:
    with pytest.raises(ImageUnpullable):
        subject.engine.pull(digest)
    assert not subject.engine.has_image(digest)


def test_what_is_there_is_listed_with_its_bytes(subject: Subject) -> None:
    sizes = subject.engine.image_sizes()
    assert sizes[subject.digest] > 0
    assert NOWHERE not in sizes
