"""A Berth on a machine without a Docker Engine: it runs one of its own. In a network namespace, for two engines in one
would share their bridge and packet filter."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from cloud.supervisor.engine import OwnEngine
from tests.flows.installation import Berth, installation, until_ready
from tests.images import build_image
from tests.services import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def namespace() -> Iterator[tuple[str, ...]]:
    """What a command has to begin with to run in a network of its own."""
    name = f"berth-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    # not `ip netns exec`: that mounts /sys anew, and dockerd then finds no cgroups
    enter = ("nsenter", f"--net=/var/run/netns/{name}")
    try:
        subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
        yield enter
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(scope="module")
def berth(namespace: tuple[str, ...]) -> Iterator[Berth]:
    with installation(namespace, BERTH_ENGINE="embedded") as made:
        words = made.up()
        assert f"export DOCKER_HOST=unix:///run/berth-{made.secret('installation')}/docker.sock" in words
        yield made


@pytest.fixture
def own(berth: Berth) -> OwnEngine:
    return OwnEngine(berth.home, berth.secret("installation"))


def app_answers(berth: Berth) -> bool:
    """Through the edge, from within the namespace."""
    url = f"http://127.0.0.1:{berth.env['BERTH_HTTP_PORT']}/"
    code = (
        "import sys, urllib.request as r; "
        "sys.exit(r.urlopen(r.Request(sys.argv[1], headers={'Host': 'hello.localhost'}), timeout=5).status != 200)"
    )
    argv = [*berth.prefix, "python3", "-c", code, url]
    return subprocess.run(argv, check=False, stderr=subprocess.DEVNULL).returncode == 0


def shims(own: OwnEngine) -> set[int]:
    """The processes that hold this engine's containers."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"containerd-shim" in words[0] and any(str(own.short).encode() in word for word in words):
                found.add(int(process.name))
    return found


def test_an_engine_is_started_and_the_demo_runs_on_it(berth: Berth, own: OwnEngine) -> None:
    assert berth.status()["engine"]["address"] == f"{own.url} (started by Berth)"
    assert f"export DOCKER_HOST={own.url}" in berth.run("status")
    assert app_answers(berth)
    assert len(shims(own)) == 2


def test_the_engine_outlives_down(berth: Berth, own: OwnEngine) -> None:
    identity, before = own.identity(), shims(own)
    berth.run("down")
    assert identity is not None
    assert identity.alive
    assert app_answers(berth)
    berth.up()
    assert own.identity() == identity
    assert shims(own) == before


def test_an_engine_that_dies_is_started_again_and_its_containers_live_on(berth: Berth, own: OwnEngine) -> None:
    identity, before = own.identity(), shims(own)
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    assert app_answers(berth)
    wait_until(lambda: own.identity() not in (None, identity), "dockerd was started again", 30)
    until_ready(berth)
    assert app_answers(berth)
    assert shims(own) == before


def test_what_is_not_berths_on_its_engine_is_not_removed_unless_that_is_said(berth: Berth, own: OwnEngine) -> None:
    """The container is left for the test after this one, which says it."""
    build_image("theirs:1", url=own.url)
    with docker.APIClient(base_url=own.url, version="auto", timeout=60) as engine:
        engine.create_volume("their-data")
        config = engine.create_host_config(network_mode="none")
        container = engine.create_container("theirs:1", name="sneaky", host_config=config)["Id"]
        engine.start(container)
        words = "1 container (sneaky); 1 volume (their-data); 1 image (theirs:1)"
        assert words in berth.run("down", "--all", code=1)  # nobody to ask
        refused = berth.run("down", "--all", "--yes", code=1)
        assert words in refused
        assert "Nothing was stopped or removed" in refused
        assert "--destroy-foreign" in refused
        assert engine.inspect_container(container)["State"]["Running"]
    assert berth.status()["web"]["ok"]
    assert app_answers(berth)


def test_down_all_ends_the_engine_and_what_it_mounted(berth: Berth, own: OwnEngine) -> None:
    identity = own.identity()
    assert identity is not None
    berth.run("down", "--all", "--yes", "--destroy-foreign")
    assert not identity.alive
    assert shims(own) == set()
    assert not own.short.exists()
    assert not berth.home.exists()
    assert str(berth.home) not in Path("/proc/self/mountinfo").read_text()
    assert str(own.short) not in Path("/proc/self/mountinfo").read_text()
