"""Real parts. What a test makes on the engine is removed after it, whatever came of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import dockerd


@pytest.fixture(scope="session")
def docker_url() -> Iterator[str]:
    """The URL of a Docker Engine that runs."""
    with dockerd.engine() as url:
        yield url
