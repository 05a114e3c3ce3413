from __future__ import annotations

import pytest

from scheduler.etcd_fake import FakeEtcd
from tests.etcd_cases import *  # noqa: F403 - the cases that the real one passes too
from tests.etcd_cases import Follower


class FakeBench:
    def __init__(self) -> None:
        self.etcd = FakeEtcd()

    def kill(self) -> None:
        self.etcd.down = True

    def start(self) -> None:
        self.etcd.down = False

    def wipe(self) -> None:
        self.etcd.wipe()

    def compact(self) -> None:
        self.etcd.compact()

    def expire(self, lease: int) -> None:
        self.etcd.expire(lease)


@pytest.fixture
def bench() -> FakeBench:
    return FakeBench()


class Forgetful(FakeEtcd):
    """Its watches miss everything, as those of etcd 3.4 may."""

    def watch(self, prefix: str, from_revision: int) -> object:  # type: ignore[override]
        return super().watch("nothing/", from_revision)


@pytest.mark.parametrize("missed", ["put", "delete"])
def test_a_follower_finds_what_its_watch_has_missed(missed: str) -> None:
    etcd = Forgetful()
    etcd.put("apps/a", "1")
    follower = Follower(etcd, "apps/", check=0.05)
    follower.sees({"apps/a": "1"})
    if missed == "put":
        etcd.put("apps/b", "1")
        follower.sees({"apps/a": "1", "apps/b": "1"})
    else:
        etcd.delete("apps/a")
        follower.sees({})
    follower.close()
