"""Drains, rebalancing and preemption by the real reconciler and database on engines in memory: stories, and deaths."""

from __future__ import annotations

import pytest

from apps.applications import services as apps
from apps.applications.models import App, Instance
from apps.events.models import Event
from apps.groups.models import Group
from apps.nodes import services as nodes
from apps.nodes.models import Node
from apps.placement.models import PlacementProfile, PriorityClass, RebalancePolicy
from scheduler import relocation
from scheduler.lifecycle import State
from scheduler.model import OperationStatus
from scheduler.store import relocating
from tests.web.effort import points
from tests.web.scheduler import build
from tests.web.scheduler.sim import Died, Sim, dying

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("n1", "n2", "n3")
CORE = {"cpu": 1, "memory": "64MiB"}


def cloud(*names: str, cpu: int = 8000) -> Sim:
    sim = Sim(nodes=names)
    for name in names:
        build.node(name, cpu)
        sim.join(name, cpu)
    sim.engine = sim.engines[names[0]]
    sim.observe()
    Node.objects.update(fresh=False)
    return sim


@pytest.fixture
def sim() -> Sim:
    return cloud(*NAMES)


def deployed(sim: Sim, group: Group, name: str = "web", **spec) -> App:
    app = build.app(group, name, **spec)
    sim.converge(40)  # what waits for room never settles
    return App.objects.get(pk=app.pk)


def node(name: str) -> Node:
    return Node.objects.get(name=name)


def on(name: str, **wanted) -> list[Instance]:
    return list(Instance.objects.filter(node__name=name, gone_at=None, **wanted))


def places(app: App) -> list[str]:
    return sorted(one.node.name for one in build.running(app))


def serving_throughout(sim: Sim, app: App, least: int, rounds: int = 20) -> None:
    """Let time pass until all has settled; the edge always has so many to send to."""
    for _ in range(rounds):
        sim.round()
        assert len(sim.routed(app)) >= least
        sim.check_always()
        sim.pass_time(2)


# ---- drains


def test_a_drained_node_is_emptied_and_what_it_had_serves_throughout(sim, group):
    web = deployed(sim, group, "web", replicas=3)
    alone = deployed(sim, group, "alone", replicas=1, placement={"prefer": ["node == n1"]})
    assert places(web) == list(NAMES)
    assert places(alone) == ["n1"]
    nodes.drain(None, node("n1"))
    assert node("n1").state == "draining"
    for _ in range(20):
        sim.round()
        assert len(sim.routed(web)) >= 3
        assert len(sim.routed(alone)) >= 1
        sim.pass_time(2)
    sim.check_settled()
    assert on("n1") == []
    assert node("n1").drained_at is not None
    told = list(Event.objects.filter(node=node("n1")).values_list("kind", flat=True))
    assert told[:2] == ["node.drained", "node.draining"]
    reasons = Event.objects.filter(kind="instance.draining").values_list("reason__code", flat=True)
    assert set(reasons) == {"node_drained"}


def test_a_draining_node_takes_nothing_new(sim, group):
    nodes.drain(None, node("n1"))
    nodes.drain(None, node("n2"))
    app = deployed(sim, group, replicas=4)
    assert places(app) == ["n3"] * 4


def test_what_fits_nowhere_else_stays_where_it_serves_and_moves_when_there_is_room(sim, group):
    app = deployed(sim, group, replicas=2, placement={"require": ["node == n1"]})
    other = deployed(sim, group, "other", replicas=3)
    nodes.drain(None, node("n1"))
    serving_throughout(sim, app, 2)
    assert places(app) == ["n1", "n1"]
    assert places(other) == ["n2", "n2", "n3"] or places(other) == ["n2", "n3", "n3"]
    assert node("n1").drained_at is None
    assert App.objects.get(pk=app.pk).status == "healthy"
    build.deploy(app, replicas=2, placement={"require": ["node in (n1, n2)"]})
    serving_throughout(sim, app, 2)
    sim.check_settled()
    assert places(app) == ["n2", "n2"]


def test_a_drain_that_ends_lets_stay_what_has_not_begun_to_leave(sim, group):
    app = deployed(sim, group, replicas=3, placement={"prefer": ["node == n1"], "distinct_nodes": "off", "spread": []})
    PlacementProfile.objects.create(weights={"prefer": 10})
    nodes.drain(None, node("n1"))
    for _ in range(4):
        sim.round()
        sim.pass_time(1)
    begun = Instance.objects.filter(relocate="drain").count()
    assert begun
    nodes.end_drain(None, node("n1"))
    assert node("n1").state == "ready"
    serving_throughout(sim, app, 3)
    sim.check_settled()
    assert Event.objects.filter(kind="node.drain_ended").exists()


def test_a_drain_moves_a_few_at_a_time_of_all_apps_together(sim, group, monkeypatch):
    monkeypatch.setattr(relocation, "AT_ONCE", 3)
    made = [deployed(sim, group, f"app-{n}", placement={"prefer": ["node == n1"]}, replicas=1) for n in range(5)]
    assert len(on("n1")) == 5
    nodes.drain(None, node("n1"))
    relocation.drain(sim.world)
    assert len(on("n1", relocate="drain")) == relocation.AT_ONCE
    relocation.drain(sim.world)
    assert len(on("n1", relocate="drain")) == relocation.AT_ONCE
    sim.converge(300)
    sim.check_settled()
    assert on("n1") == []
    assert {one.pk for one in made} == set(App.objects.values_list("pk", flat=True))


def test_a_singleton_that_must_not_run_twice_is_stopped_first(sim, group):
    app = deployed(sim, group, replicas=1, update={"strategy": "recreate"}, placement={"prefer": ["node == n1"]})
    nodes.drain(None, node("n1"))
    for _ in range(20):
        sim.round()
        assert len(sim.records()) <= 1
        sim.pass_time(2)
    sim.check_settled()
    assert places(app) != ["n1"]


def test_an_update_and_a_drain_at_once_end_well(sim, group):
    app = deployed(sim, group, replicas=3)
    build.deploy(app, replicas=3, env={"A": "1"})
    sim.round()
    nodes.drain(None, node("n2"))
    serving_throughout(sim, app, 3, rounds=30)
    sim.check_settled()
    assert build.last_operation().status == OperationStatus.SUCCEEDED
    assert on("n2") == []


def test_a_node_that_dies_while_it_is_drained_is_empty_when_it_is_back(sim, group):
    app = deployed(sim, group, replicas=3)
    nodes.drain(None, node("n1"))
    sim.round()
    sim.engines["n1"].kill_engine()
    for _ in range(15):
        sim.round()
        sim.pass_time(2)
    assert len(sim.routed(app)) >= 3
    sim.engines["n1"].revive()
    sim.converge()
    sim.check_settled()
    assert on("n1") == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", points([1, 5, 9]))
def test_dying_at_any_engine_call_of_a_drain_leaves_nothing_behind(sim, group, at, after):
    app = deployed(sim, group, replicas=3)
    nodes.drain(None, node("n1"))
    try:
        with dying(sim.engines["n1"], at, after=after), dying(sim.engines["n2"], at, after=after):
            for _ in range(12):
                sim.round()
                sim.pass_time(1)
    except Died:
        App.objects.update(runner="", runner_until=None)
    sim.converge()
    sim.check_settled()
    assert places(app) == ["n2", "n2", "n3"] or places(app) == ["n2", "n3", "n3"]


# ---- rebalancing


def crowded(group: Group) -> tuple[Sim, App]:
    """Four instances on one node, and another node that has just joined."""
    sim = cloud("n1")
    app = deployed(sim, group, replicas=4)
    build.node("n2")
    sim.join("n2")
    Node.objects.filter(name="n2").update(reachable=False)
    sim.observe()
    return sim, app


def period(sim: Sim) -> None:
    relocation.rebalance_now(sim.world, asked=False)
    sim.converge()
    sim.pass_time(61)


def test_placement_alone_moves_nothing(group):
    sim, app = crowded(group)
    sim.converge()
    assert places(app) == ["n1"] * 4


def test_after_a_node_has_joined_instances_move_there_one_a_time_of_an_app(group):
    sim, app = crowded(group)
    assert node("n2").fresh
    relocation.rebalance_now(sim.world, asked=False)
    assert Instance.objects.filter(relocate="rebalance").count() == 1
    serving_throughout(sim, app, 4)
    sim.check_settled()
    assert places(app) == ["n1", "n1", "n1", "n2"]
    relocation.rebalance_now(sim.world, asked=False)
    assert not Instance.objects.filter(relocate="rebalance", gone_at=None).exists(), "a lot a minute"
    sim.pass_time(61)
    for _ in range(4):
        period(sim)
    assert places(app) == ["n1", "n1", "n2", "n2"]
    assert not node("n2").fresh
    history = [len(engine.history) for engine in sim.engines.values()]
    period(sim)
    assert [len(engine.history) for engine in sim.engines.values()] == history


def test_the_plan_says_what_each_move_gains_and_changes_nothing(group):
    sim, _app = crowded(group)
    [move] = relocation.plan(sim.world.cluster, 10).moves
    assert (move.app, move.source, move.target) == ("team/web", "n1", "n2")
    assert move.gain >= 2000
    assert not Instance.objects.exclude(relocate="").exists()


def test_it_can_be_turned_off_and_asked_for_all_the_same(group):
    sim, app = crowded(group)
    RebalancePolicy.objects.create(pk=1, enabled=False)
    period(sim)
    assert places(app) == ["n1"] * 4
    relocation.rebalance_now(sim.world, asked=True)
    sim.converge()
    assert places(app) == ["n1", "n1", "n1", "n2"]


def test_no_more_move_at_once_than_is_said(group):
    sim, _app = crowded(group)
    for n in range(3):
        deployed(sim, group, f"app-{n}", replicas=2, placement={"prefer": ["node == n1"]})
    RebalancePolicy.objects.create(pk=1, most=1)
    relocation.rebalance_now(sim.world, asked=False)
    sim.pass_time(61)
    relocation.rebalance_now(sim.world, asked=False)
    assert Instance.objects.filter(relocate="rebalance", gone_at=None).count() == 1


@pytest.mark.parametrize("how", ["recreate", "updating", "protected", "marked"])
def test_what_cannot_move_without_a_gap_or_is_being_changed_stays(group, how):
    sim, app = crowded(group)
    if how == "recreate":
        build.deploy(app, replicas=4, update={"strategy": "recreate"})
        sim.converge()
    elif how == "updating":
        App.objects.update(settled=False)
    elif how == "protected":
        App.objects.update(priority_class=PriorityClass.objects.create(name="core", value=9, protected=True))
    else:
        Instance.objects.update(relocate="drain")
    assert relocation.plan(sim.world.cluster, 10).moves == ()


def test_a_move_whose_target_has_been_filled_is_given_up(group):
    sim, app = crowded(group)
    relocation.rebalance_now(sim.world, asked=False)
    Node.objects.update(cordoned=True)
    sim.converge()
    assert places(app) == ["n1"] * 4
    assert not Instance.objects.exclude(relocate="").exists()
    assert App.objects.get(pk=app.pk).status == "healthy"


# ---- preemption


@pytest.fixture
def classes() -> dict[str, PriorityClass]:
    made = {"high": 100, "middle": 50, "low": -10}
    return {name: PriorityClass.objects.create(name=name, value=value) for name, value in made.items()}


def full(group: Group, cpu: int = 4000, **spec) -> tuple[Sim, App]:
    """Two nodes on which one app of no class has taken all there is."""
    sim = cloud("n1", "n2", cpu=cpu)
    return sim, deployed(sim, group, "batch", replicas=8, resources=CORE, **spec)


def test_what_matters_more_displaces_the_least_and_is_placed(group, classes):
    sim, batch = full(group)
    vip = build.app(group, "vip", replicas=2, resources=CORE, priority="high")
    for _ in range(20):
        sim.round()
        sim.check_always()
        assert len(sim.routed(batch)) >= 5
        sim.pass_time(2)
    vip, batch = App.objects.get(pk=vip.pk), App.objects.get(pk=batch.pk)
    assert (vip.status, len(sim.routed(vip))) == ("healthy", 2)
    assert (len(sim.routed(batch)), batch.explanation is not None) == (6, True)
    assert vip.nominated is None
    displaced = Event.objects.filter(kind="instance.relocating", app=batch)
    assert {event.reason["code"] for event in displaced} == {"displaced"}
    assert displaced.count() == 2, "no more than were needed"


def test_nothing_is_displaced_by_its_like_or_by_less(group, classes):
    sim, batch = full(group)
    equal, lower = (
        build.app(group, "equal", replicas=1, resources=CORE),
        build.app(group, "lower", replicas=1, resources=CORE, priority="low"),
    )
    sim.converge(60)
    assert len(sim.routed(batch)) == 8
    assert sim.routed(equal) == sim.routed(lower) == set()
    assert not Event.objects.filter(kind="instance.relocating").exists()


def test_the_displaced_do_not_displace_back_and_come_back_when_there_is_room(group, classes):
    sim, batch = full(group)
    vip = deployed(sim, group, "vip", replicas=2, resources=CORE, priority="high")
    before = Event.objects.filter(kind="instance.relocating").count()
    for _ in range(30):
        sim.round()
        sim.pass_time(5)
    assert Event.objects.filter(kind="instance.relocating").count() == before
    apps.delete_app(None, vip)
    sim.converge(60)
    sim.check_settled()
    assert len(sim.routed(batch)) == 8


def test_the_displaced_displace_what_matters_even_less(group, classes):
    sim = cloud("n1", cpu=3000)
    low = deployed(sim, group, "low", replicas=2, resources=CORE, priority="low")
    middle = deployed(sim, group, "middle", replicas=1, resources=CORE, priority="middle")
    high = deployed(sim, group, "high", replicas=1, resources=CORE, priority="high")
    assert [len(sim.routed(one)) for one in (low, middle, high)] == [1, 1, 1]


def test_the_last_healthy_instance_and_what_is_protected_stay(group, classes):
    sim = cloud("n1", cpu=2000)
    alone = deployed(sim, group, "alone", replicas=1, resources=CORE)
    PriorityClass.objects.create(name="safe", value=1, protected=True)
    safe = deployed(sim, group, "safe", replicas=1, resources=CORE, priority="safe")
    vip = deployed(sim, group, "vip", replicas=1, resources=CORE, priority="high")
    assert len(sim.routed(alone)) == len(sim.routed(safe)) == 1
    assert sim.routed(vip) == set()
    assert not Event.objects.filter(kind="instance.relocating").exists()


def test_room_that_is_made_goes_to_nobody_who_matters_less(group, classes):
    sim, _batch = full(group)
    waiting = build.app(group, "waiting", replicas=3, resources=CORE, priority="low")
    sim.converge(10)
    vip = build.app(group, "vip", replicas=1, resources=CORE, priority="high")
    for _ in range(15):
        sim.round()
        sim.pass_time(2)
    assert len(sim.routed(vip)) == 1
    assert sim.routed(waiting) == set()


def test_two_that_want_room_take_different_instances(group, classes):
    sim, batch = full(group)
    first = build.app(group, "first", replicas=1, resources=CORE, priority="high")
    second = build.app(group, "second", replicas=1, resources=CORE, priority="high")
    for _ in range(20):
        sim.round()
        sim.check_always()
        sim.pass_time(2)
    assert len(sim.routed(first)) == len(sim.routed(second)) == 1
    assert len(sim.routed(batch)) == 6
    assert Event.objects.filter(kind="instance.relocating").count() == 2


def test_an_instance_is_taken_once(sim, group):
    app = deployed(sim, group, replicas=3)
    ids = [one.id for one in build.running(app)]
    assert relocating.displace(app.id, "n1", ids[:2], sim.now)
    assert not relocating.displace(app.id, "n1", ids[1:], sim.now)
    assert list(Instance.objects.filter(relocate="").values_list("id", flat=True)) == ids[2:]


def test_room_that_is_needed_no_longer_is_not_made(group, classes):
    sim, batch = full(group)
    vip = build.app(group, "vip", replicas=1, resources=CORE, priority="high")
    sim.round()
    marked = Instance.objects.filter(relocate="preempted")
    assert marked.exists()
    marked.update(state=State.HEALTHY)  # none has begun to leave
    Instance.objects.filter(state=State.DRAINING).update(state=State.HEALTHY)
    apps.stop(None, vip)
    sim.converge(60)
    sim.check_settled()
    assert len(sim.routed(batch)) == 8


def test_an_instance_that_should_make_room_and_is_the_last_now_stays(group, classes):
    sim = cloud("n1", cpu=2000)
    batch = deployed(sim, group, "batch", replicas=2, resources=CORE)
    other, victim = build.running(batch)
    sim.sick.add(other.address)
    sim.edge_looks()
    sim.round()
    vip = build.app(group, "vip", replicas=1, resources=CORE, priority="high")
    assert relocating.displace(vip.id, "n1", [victim.id], sim.now)
    for _ in range(30):
        sim.round()
        assert len(sim.routed(batch)) >= 1
        sim.pass_time(2)
    assert len(sim.routed(vip)) == 1, "it has the place of the one that failed"
    victim.refresh_from_db()
    assert (victim.state, victim.relocate) == (State.HEALTHY, "")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", points([1, 5, 9]))
def test_dying_at_any_engine_call_of_a_preemption_leaves_nothing_behind(group, classes, at, after):
    sim = cloud("n1", cpu=4000)
    batch = deployed(sim, group, "batch", replicas=4, resources=CORE)
    vip = build.app(group, "vip", replicas=1, resources=CORE, priority="high")
    try:
        with dying(sim.engine, at, after=after):
            for _ in range(15):
                sim.round()
                sim.pass_time(1)
    except Died:
        App.objects.update(runner="", runner_until=None)
    sim.converge(60)
    sim.check_always()
    assert (len(sim.routed(vip)), len(sim.routed(batch))) == (1, 3)
