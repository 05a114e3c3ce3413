"""The fake engine does what every engine does."""

from __future__ import annotations

from functools import partial

import pytest

from scheduler.engine.base import ResolvedImage
from scheduler.engine.fake import FakeEngine
from scheduler.model import Process
from tests.engine_cases import *  # noqa: F403

DIGEST = f"sha256:{'1' * 64}"


class FakeSubject:
    installation, tag, digest, subnet = "test", "subject:1", DIGEST, "10.66.7"

    def __init__(self) -> None:
        self.engine = FakeEngine(
            self.installation, images=[DIGEST], references={self.tag: ResolvedImage(DIGEST, None, 8080)}
        )
        self.engine.unpullable.add(f"127.0.0.1:1/nothing@sha256:{'a' * 64}")
        self.crash = self.engine.crash
        self.exhaust = partial(self.engine.crash, code=137, oom=True)
        self.remove_behind_back = self.engine.remove_behind_back
        self.stop_behind_back = self.engine.stop_behind_back
        self.run_behind_back = self.engine.add_behind_back

    def pause_behind_back(self, id: str) -> None:
        self.engine.update_behind_back(id, process=Process.PAUSED)

    def limit_behind_back(self, id: str, memory: int) -> None:
        self.engine.update_behind_back(id, memory=memory)

    def print_line(self, id: str, text: str, stream: str) -> None:
        self.engine.print_line(id, text, stream)


@pytest.fixture
def subject() -> FakeSubject:
    return FakeSubject()
