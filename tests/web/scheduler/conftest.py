"""What the loop's tests start from: a node, its engine in memory, and a group."""

from __future__ import annotations

import pytest

from apps.groups.models import Group
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim


@pytest.fixture
def sim() -> Sim:
    build.node()
    return Sim()


@pytest.fixture
def group() -> Group:
    return build.group()
