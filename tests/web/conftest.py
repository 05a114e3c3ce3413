"""What the tests of services and API start from: five people, two groups, and a node with an engine in memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.conf import settings

from apps.accounts.models import User
from apps.groups import services as groups
from apps.groups.models import Group, Role
from apps.nodes.models import Node
from scheduler import world
from scheduler.engine.base import ResolvedImage
from scheduler.engine.connect import Engines
from scheduler.engine.fake import FakeEngine
from scheduler.model import Resources
from scheduler.store.cluster import KeptCluster
from scheduler.traffic import here
from scheduler.traffic.source import FakeSource
from tests.web.seed import Seed, seed

GIB = 1 << 30
IMAGE, OTHER_IMAGE = "registry.test/web:1", "registry.test/web:2"
QUOTA = Resources(cpu=8000, memory=8 * GIB, disk=8 * GIB, instances=40)


def digest(number: int) -> str:
    return f"registry.test/web@sha256:{number:064x}"


@pytest.fixture(autouse=True)
def _cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of the nodes for each test: that of another test would be of another database."""
    monkeypatch.setattr(world, "cluster", functools.cache(KeptCluster))


@pytest.fixture(autouse=True)
def traffic(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """What the edges have served, to be said by the test."""
    source = FakeSource()
    monkeypatch.setattr(here, "source", lambda: source)
    return source


@pytest.fixture
def people(db: None) -> SimpleNamespace:
    """An owner, a developer and a viewer of the group `shop`, an outsider who owns `other`, and an admin."""
    named = {name: User.objects.create_user(name) for name in ("owner", "developer", "viewer", "outsider")}
    return SimpleNamespace(**named, admin=User.objects.create_superuser("admin"))


@pytest.fixture
def group(people: SimpleNamespace) -> Group:
    made = groups.create_group(None, "shop", QUOTA)
    for role in Role:
        groups.set_member(people.admin, made, role.value, role.value)
    return made


@pytest.fixture
def other(people: SimpleNamespace) -> Group:
    made = groups.create_group(None, "other", QUOTA)
    groups.set_member(people.admin, made, "outsider", Role.OWNER)
    return made


@pytest.fixture
def engine(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """The engine of the one node, which knows two images by name."""
    references = {
        IMAGE: ResolvedImage(digest(1), 1000, 8000),
        OTHER_IMAGE: ResolvedImage(digest(2), 1000, None),
    }
    fake = FakeEngine(settings.BERTH_INSTALLATION, references=references)
    monkeypatch.setattr(world, "connect", Engines({"n1": fake}).connect)
    monkeypatch.setattr(world, "etcd", lambda: None)
    Node.objects.create(
        name="n1",
        engine_url="fake://n1",
        reachable=True,
        capacity_cpu=16_000,
        capacity_memory=32 * GIB,
        capacity_disk=100 * GIB,
        capacity_instances=100,
    )
    return fake


@pytest.fixture
def berth() -> Seed:
    return seed()
