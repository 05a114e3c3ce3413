from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud import embedded
from scheduler.etcd import Etcd, EtcdUnavailable
from tests import services
from tests.etcd_cases import *  # noqa: F403 - the cases that the fake passes too
from tests.etcd_cases import Follower
from tests.services import wait_until


class RealBench:
    """A real etcd that is killed, not asked to stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = embedded.free_port(), embedded.free_port()
        self.etcd = Etcd("127.0.0.1", self.ports[0], prefix="/test/")
        self.start()
        # killed before its first leader was elected, a member never elects one from what it left on disk
        wait_until(lambda: _quietly(lambda: self.etcd.read("")), "etcd has a leader")

    def start(self) -> None:
        with (self.folder / "etcd.log").open("ab") as log:
            argv = embedded.etcd(self.folder / "etcd", *self.ports)
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(lambda: services.listens(("127.0.0.1", self.ports[0])), "etcd listens")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wipe(self) -> None:
        runs = self.process.poll() is None
        if runs:
            self.kill()
        shutil.rmtree(self.folder / "etcd")
        if runs:
            self.start()

    def compact(self) -> None:
        revision = self.etcd.read("").revision
        subprocess.run(["etcdctl", "compact", str(revision), *self._at()], check=True, env=self._env())

    def defragment(self) -> None:
        subprocess.run(["etcdctl", "defrag", *self._at()], check=True, env=self._env())

    def expire(self, lease: int) -> None:
        """Real leases expire by themselves; the cases wait for it."""

    def _at(self) -> list[str]:
        return [f"--endpoints=127.0.0.1:{self.ports[0]}"]

    @staticmethod
    def _env() -> dict[str, str]:
        return {**os.environ, "ETCDCTL_API": "3"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RealBench]:
    bench = RealBench(tmp_path)
    yield bench
    bench.etcd.close()
    bench.kill()


def test_two_prefixes_share_one_etcd(bench: RealBench) -> None:
    other = Etcd("127.0.0.1", bench.ports[0], prefix="/tess/")
    bench.etcd.put("a", "1")
    other.put("a", "2")
    assert bench.etcd.read("").values == {"a": "1"}
    assert other.read("").values == {"a": "2"}
    other.close()


def test_an_etcd_that_hangs_is_unavailable_and_the_follower_relists_when_it_goes_on(bench: RealBench) -> None:
    """A stopped process keeps its connections open: only the time-out tells."""
    impatient = Etcd("127.0.0.1", bench.ports[0], prefix="/test/", timeout=0.3)
    impatient.put("apps/a", "1")
    follower = Follower(impatient, "apps/", check=0.2)
    follower.sees({"apps/a": "1"})
    lists = follower.news.qsize()
    bench.process.send_signal(signal.SIGSTOP)
    with pytest.raises(EtcdUnavailable):
        impatient.put("apps/b", "1")
    wait_until(lambda: "etcd-watch" not in _threads(), "the watch was given up")
    bench.process.send_signal(signal.SIGCONT)
    wait_until(lambda: _quietly(lambda: bench.etcd.put("apps/c", "1")), "etcd goes on")
    wait_until(lambda: "apps/c" in follower.values, "the follower sees what was written after")
    assert follower.news.qsize() > lists
    follower.close()
    impatient.close()


def test_a_process_that_was_forked_connects_anew(bench: RealBench) -> None:
    """The client was made, but never used, before the fork."""
    client = Etcd("127.0.0.1", bench.ports[0], prefix="/test/")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            client.put("from/child", "1")
        os._exit(0)
    os.waitpid(child, 0)
    assert client.read("from/").values == {"from/child": "1"}
    client.close()


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def _quietly(call: object) -> bool:
    try:
        call()  # type: ignore[operator]
    except EtcdUnavailable:
        return False
    return True
