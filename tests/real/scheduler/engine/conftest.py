from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine_cases.subject import network  # noqa: F401
from tests.real.scheduler.engine.subject import DockerSubject


@pytest.fixture
def subject(docker_url: str) -> Iterator[DockerSubject]:
    subject = DockerSubject(docker_url)
    yield subject
    subject.close()
