"""What an update of Berth makes of rows from before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.applications.models import Instance
from scheduler.lifecycle import State
from tests.web.api import Api
from tests.web.scheduler import build
from tests.web.seed import make_instance

BEFORE = ("applications", "0010_canary")


def migrate(*to: tuple[str, str]) -> SimpleNamespace:
    """The models there; nothing named is the newest of all."""
    executor = MigrationExecutor(connection)
    return executor.migrate([*to] or executor.loader.graph.leaf_nodes()).apps  # type: ignore[no-any-return]


@pytest.mark.django_db(transaction=True)
def test_a_sentence_about_a_changed_container_stays_one(people: SimpleNamespace) -> None:
    app, node = build.app(build.group()), build.node()
    for slot in (0, 1):
        make_instance(app, node, slot, slot + 1, State.HEALTHY, timezone.now())
    try:
        old = migrate(BEFORE).get_model("applications", "Instance")
        old.objects.filter(slot=1).update(drift="memory 1 instead of 2 bytes")
    finally:
        migrate()
    assert list(Instance.objects.order_by("slot").values_list("drift", flat=True)) == [
        None,
        "memory 1 instead of 2 bytes",
    ]
    shown = Api(people.admin).get("/groups/team/apps/web/instances").json()["items"]
    assert sorted(instance["drift"] for instance in shown) == ["", "memory 1 instead of 2 bytes"]
