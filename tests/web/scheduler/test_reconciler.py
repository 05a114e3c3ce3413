"""The real reconciler and database against an engine, an etcd and an edge in memory: whole stories, and deaths."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.applications import services
from apps.applications.models import App, Instance
from apps.events.models import Event
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations.models import Operation
from apps.panel import live
from scheduler import inspection, reconciler
from scheduler.lifecycle import State
from scheduler.model import OperationStatus, Process
from scheduler.store import committing, sweeping
from tests.web.effort import points
from tests.web.scheduler import build
from tests.web.scheduler.sim import DIGEST, OTHER, Died, Sim, dying

pytestmark = pytest.mark.django_db(transaction=True)


def deployed(sim: Sim, group: Group, **spec) -> App:
    app = build.app(group, **spec)
    sim.converge()
    sim.check_settled()
    return App.objects.get(pk=app.pk)


def test_a_new_app_is_placed_started_found_healthy_and_its_operation_succeeds(sim, group):
    app = deployed(sim, group, replicas=3)
    assert app.status == "healthy"
    assert app.last_good_id == app.release_id
    operation = build.last_operation()
    assert operation.status == OperationStatus.SUCCEEDED
    assert [(s["name"], s["status"], s["done"]) for s in operation.steps] == [
        ("place", "done", 3), ("start", "done", 3), ("health", "done", 3), ("retire", "done", 1),
    ]  # fmt: skip


def test_a_settled_app_costs_no_engine_call_and_no_event(sim, group):
    app = deployed(sim, group, replicas=2)
    events, history = Event.objects.count(), len(sim.engine.history)
    reconciler.reconcile(app.id, sim.world)
    assert (Event.objects.count(), len(sim.engine.history)) == (events, history)


def test_an_update_replaces_every_instance_and_never_leaves_fewer_serving(sim, group):
    app = deployed(sim, group, replicas=3)
    build.deploy(app, replicas=3, env={"A": "1"})
    for _ in range(60):
        sim.round()
        sim.pass_time(1)
        assert len(sim.routed(app)) >= 3
    sim.check_settled()
    assert {i.release.number for i in build.running(app)} == {2}
    assert build.last_operation().status == OperationStatus.SUCCEEDED


def test_scaling_and_routes_need_no_new_container(sim, group):
    app = deployed(sim, group, replicas=2)
    before = {i.container for i in build.running(app)}
    build.deploy(app, replicas=3, routes=[{"host": "web.example.test"}])
    sim.converge()
    sim.check_settled()
    assert before < {i.container for i in build.running(app)}
    build.deploy(app, replicas=1)
    sim.converge()
    sim.check_settled()
    assert {i.container for i in build.running(app)} < before


def test_a_change_has_succeeded_once_the_edges_serve_it_and_not_before(sim, group):
    app = deployed(sim, group, replicas=2)
    build.deploy(app, replicas=2, routes=[{"host": "web.example.test"}])
    for away in ("etcd", "edge"):
        sim.etcd.down, sim.edge_alive = away == "etcd", away != "edge"
        for _ in range(3):
            sim.round()
            sim.pass_time(1)
        operation = build.last_operation()
        assert (operation.status, operation.waits_for["code"]) == (OperationStatus.RUNNING, "awaiting_edges")
        assert sweeping.leaving() == [app.id]
    sim.edge_alive = True
    sim.edge_looks()
    reconciler.reconcile(app.id, sim.world)
    assert build.last_operation().status == OperationStatus.SUCCEEDED
    assert sweeping.leaving() == []
    sim.check_settled()


def test_stop_start_restart_and_delete(sim, group):
    app = deployed(sim, group, replicas=2)
    first = {i.container for i in build.running(app)}
    services.restart(None, app)
    sim.converge()
    sim.check_settled()
    assert not first & {i.container for i in build.running(app)}
    services.stop(None, app)
    sim.converge()
    sim.check_settled()
    assert App.objects.get().status == "stopped"
    services.start(None, app)
    sim.converge()
    sim.check_settled()
    services.delete_app(None, app)
    sim.converge()
    assert not App.objects.exists()
    assert sim.engine.containers() == []
    sim.check_settled()
    assert build.last_operation().status == OperationStatus.SUCCEEDED


def test_whoever_hears_that_an_app_was_deleted_may_use_its_name(sim, group, monkeypatch):
    app = deployed(sim, group)
    left: list[bool] = []

    def hear(topics: tuple[str, ...]) -> None:
        if Operation.objects.filter(kind="delete", status=OperationStatus.SUCCEEDED).exists():
            left.append(App.objects.exists())

    monkeypatch.setattr(live, "_announce", hear)
    services.delete_app(None, app)
    sim.converge()
    assert left
    assert not any(left)


@pytest.mark.parametrize("harm", ["crash", "remove", "stop", "memory", "pause"])
def test_what_happens_to_a_container_behind_berths_back_is_put_right_and_told(sim, group, harm):
    app = deployed(sim, group, replicas=2)
    victim = build.running(app)[0].container
    if harm == "crash":
        sim.engine.crash(victim, 1, for_good=True)
    elif harm == "remove":
        sim.engine.remove_behind_back(victim)
    elif harm == "stop":
        sim.engine.stop_behind_back(victim)
    elif harm == "memory":
        sim.engine.update_behind_back(victim, memory=1 << 30)
    else:
        sim.engine.update_behind_back(victim, process=Process.PAUSED)
    Event.objects.all().delete()
    sim.converge()
    sim.check_settled()
    assert victim not in {i.container for i in build.running(app)}
    told = {(e.kind, e.reason["code"]) for e in Event.objects.exclude(reason=None)}
    expected = {"crash": "exited", "stop": "exited", "remove": "missing"}.get(harm, "drifted")
    assert expected in {code for _, code in told}


def test_a_process_that_the_engine_brings_back_is_left_alone(sim, group):
    app = deployed(sim, group, replicas=2)
    before = {i.container for i in build.running(app)}
    sim.engine.crash(build.running(app)[0].container, 1)
    sim.converge()
    sim.check_settled()
    assert {i.container for i in build.running(app)} == before
    assert build.running(app)[0].restarts == 1


def test_an_instance_that_answers_500_is_replaced_past_its_threshold(sim, group):
    app = deployed(sim, group, replicas=2)
    victim = build.running(app)[0]
    sim.sick.add(victim.address)
    sim.round()
    sim.round()
    assert Instance.objects.get(id=victim.id).state == State.UNHEALTHY
    sim.converge()
    sim.check_settled()
    gone = Instance.objects.get(id=victim.id)
    assert (gone.state, gone.failed, gone.reason["code"]) == (State.GONE, True, "unhealthy")


def test_an_update_that_never_gets_healthy_goes_back_by_itself_while_the_old_release_serves(sim, group):
    app = deployed(sim, group, replicas=2)
    before = {i.container for i in build.running(app)}
    sim.engine.images.add(OTHER)
    sim.sick_digests.add(OTHER)
    build.deploy(app, replicas=2, digest=OTHER)
    for _ in range(100):
        sim.round()
        sim.pass_time(1)
        assert len(sim.routed(app)) == 2
    sim.converge()
    sim.check_settled()
    operation = build.last_operation()
    assert operation.status == OperationStatus.ROLLED_BACK
    assert operation.error["step"] == "health"
    assert operation.error["probes"] == {"e1": "L7STS/500"}
    assert {i.container for i in build.running(app)} == before
    assert App.objects.get().release.made_from == 1


def test_a_first_release_that_never_gets_healthy_fails_with_its_last_words(sim, group):
    sim.sick_digests.add(DIGEST)
    app = build.app(group)
    sim.round()
    sim.engine.print_line(build.running(app)[0].container, "cannot reach the database")
    for _ in range(50):
        sim.round()
        sim.pass_time(2)
    operation = build.last_operation()
    assert operation.status == OperationStatus.FAILED
    assert operation.error["reason"]["code"] == "kept_failing"
    assert App.objects.get(pk=app.pk).status == "failing"
    first = Instance.objects.filter(app=app).order_by("generation").first()
    assert "cannot reach the database" in first.log_tail


def test_an_app_whose_instances_fail_one_after_the_other_is_failing_also_while_one_starts(sim, group):
    sim.sick_digests.add(DIGEST)
    build.app(group)
    words = set()
    for _ in range(100):
        sim.round()
        sim.pass_time(1)
        newest = Instance.objects.latest("generation")
        if newest.failures and newest.state == State.STARTED:
            words.add(App.objects.get().status)
    assert words == {"failing"}


def test_a_dry_run_says_of_every_instance_why_and_for_which_release(sim, group):
    app = deployed(sim, group, replicas=3)
    plan = services.change_app(None, app, {"replicas": 4, "env": {"A": "1"}}, dry_run=True)
    assert [each["reason"] for each in plan["create"]] == [
        "release 2 wants slot 0 anew",
        "release 2 wants slot 1 anew",
        "release 2 wants slot 2 anew",
        "slot 3 has no instance",
    ]


def test_an_image_that_cannot_be_pulled_fails_the_operation_and_names_the_step(sim, group):
    app = deployed(sim, group)
    sim.engine.unpullable.add(OTHER)
    build.deploy(app, digest=OTHER)
    sim.converge()
    sim.check_settled()
    operation = build.last_operation()
    assert (operation.status, operation.error["step"]) == (OperationStatus.ROLLED_BACK, "start")


def test_an_app_that_fits_nowhere_says_why_and_goes_on_when_room_appears(sim, group):
    first = deployed(sim, group, replicas=2, resources={"cpu": 4, "memory": "64MiB"})
    second = build.app(group, "second", resources={"cpu": 3, "memory": "64MiB"})
    sim.converge(20)
    pending = App.objects.get(pk=second.pk)
    assert pending.status_reason["code"] == "awaiting_placement"
    assert "cpu" in str(pending.explanation).lower()
    assert build.last_operation().status == OperationStatus.RUNNING
    services.scale(None, first, 1)
    sim.converge()
    sim.check_settled()
    assert App.objects.get(pk=second.pk).status == "healthy"


def test_what_belongs_to_nothing_is_removed_and_what_is_not_berths_is_left(sim, group):
    app = deployed(sim, group)
    stray = sim.stray_container(app)
    foreign = sim.foreign_container()
    sim.converge()
    assert sim.engine.find(stray) is None
    assert sim.engine.find(foreign) is not None
    assert Event.objects.filter(kind="orphan.removed").exists()


def test_what_the_loop_removes_while_an_engine_is_looked_at_is_no_orphan(sim, group, monkeypatch):
    app = deployed(sim, group, replicas=2)
    listed = sim.engine.containers()
    services.scale(None, app, 1)
    sim.converge()
    monkeypatch.setattr(sim.engine, "containers", lambda: listed)
    assert inspection.check_node(Node.objects.get().name, sim.engine, sim.world.now())
    assert not Event.objects.filter(kind="orphan.removed").exists()


def test_an_address_that_something_else_has_costs_another_address_and_no_failure(sim, group):
    sim.take_address(group, host=2)
    app = deployed(sim, group)
    assert Instance.objects.filter(app=app, failed=True).count() == 0
    assert not build.running(app)[0].address.endswith(".0.2")


def test_an_address_that_something_else_has_is_left_alone_and_ends_no_pause(sim, group):
    """Were a try that ended for the address a new beginning, the pauses between tries would never grow."""
    app = deployed(sim, group)
    sim.sick_digests.add(OTHER)
    build.deploy(app, digest=OTHER, update={"on_failure": "hold"}, health={"path": "/", "grace": "4s"})
    tries = Instance.objects.filter(app=app, release__number=2)
    while not tries.filter(failures=2, gone_at__isnull=False).exists():
        sim.round()
        sim.pass_time(2)
    squatted = committing.free_addresses(group, 1, sim.now)[0]
    sim.take_address(group, host=int(squatted.rsplit(".", 1)[1]))
    for _ in range(200):
        sim.round()
        sim.pass_time(2)
    assert tries.get(address=squatted).reason["code"] == "address_taken"
    counted = list(tries.exclude(address=squatted).order_by("generation").values_list("failures", flat=True))
    assert counted == list(range(len(counted)))
    assert len(counted) > 3


def test_a_subnet_that_something_else_has_is_given_up_for_another(sim, group):
    sim.take_subnet(group)
    before = group.subnet
    deployed(sim, group)
    group.refresh_from_db()
    assert group.subnet != before


def test_with_the_engine_away_nothing_is_given_up(sim, group):
    app = deployed(sim, group, replicas=2)
    before = {i.container for i in build.running(app)}
    sim.engine.kill_engine()
    sim.edge_alive = False
    for _ in range(20):
        sim.observe()
        reconciler.reconcile(app.id, sim.world)
        sim.pass_time(5)
    sim.engine.revive()
    sim.edge_alive = True
    sim.converge()
    sim.check_settled()
    assert {i.container for i in build.running(app)} == before


def test_a_wiped_etcd_is_written_anew_and_no_container_is_touched(sim, group):
    app = deployed(sim, group, replicas=2)
    before = {i.container for i in build.running(app)}
    sim.etcd.wipe()
    sim.converge()
    sim.check_settled()
    assert {i.container for i in build.running(app)} == before


def test_with_etcd_away_no_instance_is_stopped(sim, group):
    app = deployed(sim, group, replicas=2)
    build.deploy(app, replicas=1)
    sim.etcd.down = True
    for _ in range(30):
        sim.observe()
        reconciler.reconcile(app.id, sim.world)
        sim.pass_time(5)
    assert len([c for c in sim.engine.containers() if c.process is Process.RUNNING]) == 2
    sim.etcd.down = False
    sim.converge()
    sim.check_settled()


def test_a_newer_change_takes_over_from_one_that_is_under_way(sim, group):
    app = deployed(sim, group, replicas=2)
    first = build.deploy(app, replicas=2, env={"A": "1"})
    sim.round()
    build.deploy(app, replicas=2, env={"A": "2"})
    sim.converge()
    sim.check_settled()
    first.refresh_from_db()
    assert first.status == OperationStatus.SUPERSEDED
    assert {i.release.number for i in build.running(app)} == {3}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", points(range(1, 25)))
def test_dying_at_any_engine_call_of_a_deploy_leaves_no_orphan_and_no_duplicate(sim, group, at, after):
    app = deployed(sim, group, replicas=2)
    build.deploy(app, replicas=3, env={"A": "1"})
    with dying(sim.engine, at, after=after) as happened:
        for _ in range(30):
            try:
                sim.round()
            except Died:
                break
            sim.pass_time(1)
    if not happened():
        assert at > 20
    App.objects.update(runner="", runner_until=None)  # its lease is over
    sim.converge()
    sim.check_settled()
    assert {i.release.number for i in build.running(app)} == {2}
    assert build.last_operation().status == OperationStatus.SUCCEEDED


@pytest.mark.parametrize("at", points(range(1, 40)))
def test_dying_at_any_commit_of_a_deploy_leaves_no_orphan_and_no_duplicate(sim, group, at, monkeypatch):
    app = deployed(sim, group, replicas=2)
    build.deploy(app, replicas=3, env={"A": "1"})
    commits = 0
    leave = transaction.Atomic.__exit__

    def die_at_commit(self, kind, value, trace):
        nonlocal commits
        outermost = not transaction.get_connection().savepoint_ids
        commits += outermost
        if commits == at and outermost and kind is None:
            died = Died("at a commit")
            leave(self, Died, died, None)  # rolled back, as for a process that was killed
            raise died
        return leave(self, kind, value, trace)

    monkeypatch.setattr(transaction.Atomic, "__exit__", die_at_commit)
    for _ in range(30):
        try:
            sim.round()
        except Died:
            break
        sim.pass_time(1)
    monkeypatch.setattr(transaction.Atomic, "__exit__", leave)
    App.objects.update(runner="", runner_until=None)
    sim.converge()
    sim.check_settled()
    assert {i.release.number for i in build.running(app)} == {2}


def test_a_recreated_app_never_has_two_instances_at_once(sim, group):
    app = deployed(sim, group, replicas=1, update={"strategy": "recreate"})
    build.deploy(app, replicas=1, env={"A": "1"}, update={"strategy": "recreate"})
    for _ in range(40):
        sim.round()
        sim.pass_time(1)
        assert len(sim.engine.containers()) <= 1
    sim.check_settled()
    assert {i.release.number for i in build.running(app)} == {2}


def test_blue_green_moves_the_traffic_at_once_and_back_at_once(sim, group):
    spec = {"replicas": 2, "update": {"strategy": "blue_green", "keep": "30s"}}
    app = deployed(sim, group, **spec)
    blue = sim.routed(app)
    build.deploy(app, env={"A": "1"}, **spec)
    for _ in range(20):
        sim.round()
        sim.pass_time(1)
        now = sim.routed(app)
        assert len(now) == 2
        assert now == blue or not now & blue
    green = sim.routed(app)
    assert not green & blue
    assert build.last_operation().status == OperationStatus.SUCCEEDED
    assert len(build.running(app)) == 4
    made = [method for method, _ in sim.engine.history].count("create")
    services.rollback(None, App.objects.get(pk=app.pk), 1)
    sim.round()
    sim.round()
    assert sim.routed(app) == blue
    sim.converge()
    sim.check_settled()
    assert [method for method, _ in sim.engine.history].count("create") == made


def test_a_blue_green_release_that_never_gets_healthy_gets_no_request(sim, group):
    spec = {"replicas": 2, "update": {"strategy": "blue_green"}}
    app = deployed(sim, group, **spec)
    blue = sim.routed(app)
    sim.engine.images.add(OTHER)
    sim.sick_digests.add(OTHER)
    build.deploy(app, digest=OTHER, **spec)
    for _ in range(100):
        sim.round()
        sim.pass_time(1)
        assert sim.routed(app) == blue
    assert build.last_operation().status == OperationStatus.ROLLED_BACK
