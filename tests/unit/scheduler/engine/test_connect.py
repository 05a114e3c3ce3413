from __future__ import annotations

import os

import pytest

from scheduler.engine.base import EngineUnreachable
from scheduler.engine.connect import Engines
from scheduler.engine.fake import FakeEngine

NOWHERE = "unix:///nowhere/docker.sock"


def test_an_engine_is_connected_once() -> None:
    engines = Engines()
    assert engines.connect(NOWHERE, "a") is engines.connect(NOWHERE, "a")
    assert engines.connect(NOWHERE, "a") is not engines.connect(NOWHERE, "b")


def test_an_engine_that_is_away_is_connected_and_does_not_answer() -> None:
    with pytest.raises(EngineUnreachable):
        Engines().connect(NOWHERE, "a").info()


def test_a_fake_is_found_by_its_name() -> None:
    fake = FakeEngine("a")
    assert Engines({"one": fake}).connect("fake://one", "a") is fake


@pytest.mark.parametrize("url", ["fake://two", "ftp://host", "", "docker.sock"])
def test_what_is_no_engines_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="engine"):
        Engines({"one": FakeEngine("a")}).connect(url, "a")


def test_a_forked_process_connects_anew() -> None:
    engines = Engines()
    before = engines.connect(NOWHERE, "a")
    child = os.fork()
    if child == 0:
        os._exit(0 if engines.connect(NOWHERE, "a") is not before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
