"""Which settings `./berth status` goes by."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud import config
from cloud.supervisor import running
from cloud.supervisor.identity import Identity
from tests.services import wait_until


@contextmanager
def started_with(**settings: str) -> Iterator[Identity]:
    """A process with this environment."""
    child = subprocess.Popen(["sleep", "1000"], env={"PATH": "/usr/bin:/bin", **settings})
    try:
        identity = Identity.of(child.pid)
        assert identity is not None
        wait_until(Path(f"/proc/{child.pid}/environ").read_bytes, "the kernel shows its environment")
        yield identity
    finally:
        child.kill()
        child.wait()


def test_the_settings_are_those_that_the_running_one_was_started_with(tmp_path: Path) -> None:
    asked = config.read({"BERTH_HOME": str(tmp_path), "BERTH_PORT": "18680"})
    with started_with(BERTH_PORT="18600", BERTH_REDIS_URL="redis://:hidden@cache") as supervisor:
        found = running.settings(supervisor, asked)
    assert found == dataclasses.replace(asked, port=18600, redis_url="redis://:hidden@cache")
    assert running.differences(found, asked) == ("BERTH_PORT (18680 here, 18600 there)", "BERTH_REDIS_URL")
    assert running.differences(found, found) == ()


def test_where_none_runs_or_its_settings_cannot_be_read_they_are_the_askers(tmp_path: Path) -> None:
    asked = config.read({"BERTH_HOME": str(tmp_path)})
    assert running.settings(None, asked) is asked
    with started_with(BERTH_GONE_SINCE="1") as supervisor:
        assert running.settings(supervisor, asked) is asked
    assert running.settings(supervisor, asked) is asked  # it has ended


def test_a_list_and_a_range_are_shown_as_they_are_given(tmp_path: Path) -> None:
    here = config.read({"BERTH_HOME": str(tmp_path), "BERTH_HOSTS": "a.example,b.example"})
    there = dataclasses.replace(here, allowed_hosts=("a.example",), tcp_ports=range(20000, 20010), panel_https=True)
    assert running.differences(there, here) == (
        "BERTH_TCP_PORTS (20000-20099 here, 20000-20009 there)",
        "BERTH_PANEL_HTTPS (0 here, 1 there)",
        "BERTH_HOSTS (a.example,b.example here, a.example there)",
    )
