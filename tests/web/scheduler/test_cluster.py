"""The kept picture of the nodes: what another process changes is seen, at the cost of what changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.applications.models import Instance
from apps.nodes import services
from apps.nodes.models import Node
from scheduler import placement
from scheduler.diff import Move
from scheduler.engine.base import EngineInfo
from scheduler.lifecycle import State
from scheduler.model import PlacementRules, Resources
from scheduler.placement import SPREAD, Request, Taint
from scheduler.reasons import because
from scheduler.store import committing, recording
from scheduler.store.cluster import STAYING, KeptCluster, _node
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> KeptCluster:
    for name in ("n1", "n2", "n3"):
        build.node(name, cpu=4000)
    # long ago: what is read later on was changed later on
    Node.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    return KeptCluster()


def wanted(count: int = 1, **rules: tuple[str, ...]) -> Request:
    return Request("team/web", "team", build.CLAIM, count, PlacementRules(**rules))


def as_read_afresh() -> dict[str, placement.Node]:
    rows = Node.objects.all()
    nodes = {}
    for row in rows:
        staying = Instance.objects.filter(node=row, gone_at=None, state__in=STAYING)
        apps: dict[str, int] = {}
        for one in staying.select_related("app", "group"):
            key = f"{one.group.name}/{one.app.name}"
            apps[key] = apps.get(key, 0) + 1
        nodes[row.name] = _node(row, apps)
    return nodes


def picture(kept: KeptCluster) -> dict[str, placement.Node]:
    kept.explain(wanted(), SPREAD)  # looks at what changed
    return {node.name: node for node in kept._cluster.nodes}


def test_a_claim_of_another_process_is_seen(kept):
    assert kept.place(wanted(), SPREAD).nodes == ("n1",)
    app = build.app(build.group())
    for slot, node in enumerate(("n1", "n1", "n3")):
        build.assign(app, node, slot)
    assert kept.place(wanted(), SPREAD).nodes == ("n2",)


def test_a_placement_whose_claims_were_never_made_takes_no_room(kept):
    assert len(kept.place(wanted(12), SPREAD).nodes) == 12
    assert len(kept.place(wanted(12), SPREAD).nodes) == 12


def test_trying_out_claims_nothing(kept):
    before = picture(kept)
    assert len(kept.try_out(wanted(5), SPREAD).nodes) == 5
    assert picture(kept) == before


CHANGES = {
    "labels": lambda: services.change_node(None, Node.objects.get(name="n2"), labels={"disk": "ssd"}),
    "cordon": lambda: services.change_node(None, Node.objects.get(name="n2"), cordoned=True),
    "reserve": lambda: services.change_node(None, Node.objects.get(name="n2"), system=Resources(cpu=500)),
    "taints": lambda: services.change_node(None, Node.objects.get(name="n2"), taints=[Taint("gpu")]),
    "overcommit": lambda: services.change_node(None, Node.objects.get(name="n2"), overcommit={"cpu": 150}),
    "unreachable": lambda: recording.node_unreachable("n2", "no answer"),
    "capacity": lambda: recording.node_info(
        "n2", EngineInfo("id", "1", "n2", Resources(cpu=9000, memory=1 << 34, disk=1 << 40), True), timezone.now(), 50
    ),
    "joined": lambda: build.node("n4"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_node_is_seen(kept, change):
    before = picture(kept)
    CHANGES[change]()
    after = picture(kept)
    assert after == as_read_afresh()
    assert after != before


@pytest.mark.parametrize("to", [State.DRAINING, State.WITHDRAWN])
def test_an_instance_on_its_way_out_counts_no_more_but_keeps_its_room(kept, to):
    app = build.app(build.group())
    row = build.assign(app, "n2")
    assert picture(kept)["n2"].apps == {"team/web": 1}
    Instance.objects.update(state=State.HEALTHY)
    Node.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    committing.moves(
        build.state(app), [Move(build.state(app).instances[0], to, because("superseded", release=1))], timezone.now()
    )
    seen = picture(kept)
    assert seen == as_read_afresh()
    assert (dict(seen["n2"].apps), seen["n2"].reserved) == ({}, build.CLAIM)
    recording.gone(row.id, timezone.now())
    assert picture(kept)["n2"].reserved == Resources()


def test_a_start_that_failed_counts_no_more(kept):
    app = build.app(build.group())
    row = build.assign(app, "n2")
    picture(kept)
    Node.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    recording.start_failed(row.id, because("start_failed", error="no"), timezone.now(), failed=True)
    assert picture(kept)["n2"].apps == {}


def test_a_removed_node_is_left_when_a_claim_on_it_is_lost(kept):
    picture(kept)
    Node.objects.filter(name="n1").delete()
    assert kept.place(wanted(), SPREAD).nodes == ("n1",)
    assert kept.place(wanted(), SPREAD).nodes == ("n2",)


def test_a_placement_reads_what_changed_and_not_the_cluster(kept):
    picture(kept)
    Node.objects.filter(name="n3").update(changed_at=Now())
    with CaptureQueriesContext(
        connection,
    ) as few:
        picture(kept)
    Node.objects.bulk_create(
        Node(name=f"m{n}", engine_url=f"fake://m{n}", changed_at=timezone.now() - timedelta(hours=1))
        for n in range(600)
    )
    kept._whole_due = 0
    picture(kept)
    with CaptureQueriesContext(connection) as many:
        picture(kept)
    assert len(many) == len(few) <= 3
