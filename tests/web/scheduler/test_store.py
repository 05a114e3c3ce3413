"""Claims, addresses and leases: what two passes at once must not break."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.applications.models import App, Instance
from apps.nodes.models import Node
from scheduler.diff import Create, Outcome
from scheduler.lifecycle import State
from scheduler.model import AppState, OperationStatus, Resources
from scheduler.reasons import because
from scheduler.store import committing, outcome, reading, recording, runner
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM = Resources(cpu=250, memory=64 << 20, instances=1)


def state(app: App) -> AppState:
    found = reading.app_state(app.id, (), {})
    assert found is not None
    return found


def assign(app: App, *slots: int, node: str = "n1") -> None:
    at = state(app)
    made = [
        committing.Assignment(Create(slot, at.next_generation + i, 0, because("slot_empty", slot=slot)), node)
        for i, slot in enumerate(slots)
    ]
    committing.assignments(at, made, CLAIM, timezone.now())


def in_threads(work, arguments):
    """Each in a thread with a connection of its own; results or exceptions, in order."""

    def run(argument):
        try:
            return work(argument)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, arguments))


def test_a_claim_that_does_not_fit_is_lost_whole_and_changes_nothing():
    build.node(cpu=700)
    app = build.app(build.group())
    with pytest.raises(committing.ClaimLost):
        assign(app, 0, 1, 2)
    assert Node.objects.get().reserved_cpu == 0
    assert not Instance.objects.exists()
    assert App.objects.get().next_generation == 1


def test_a_cordoned_or_unreachable_node_takes_no_claim():
    build.node("n1", cordoned=True)
    build.node("n2", reachable=False)
    app = build.app(build.group())
    for node in ("n1", "n2"):
        with pytest.raises(committing.ClaimLost):
            assign(app, 0, node=node)


@pytest.mark.parametrize(
    ("capacity", "system", "percent"),
    [(1000, 0, 100), (1000, 0, 125), (1000, 300, 150), (333, 0, 101), (999, 1, 333), (250, 250, 1000), (200, 300, 200)],
)
def test_a_claim_takes_what_the_placement_calls_allocatable_and_no_more(capacity, system, percent):
    row = build.node(cpu=capacity, system_cpu=system, overcommit_cpu=percent)
    room = row.allocatable.cpu
    committing._claim("n1", Resources(cpu=room))
    for need in (1, 100):
        with pytest.raises(committing.ClaimLost):
            committing._claim("n1", Resources(cpu=need))
    row.refresh_from_db()
    assert row.reserved_cpu == room


@pytest.mark.parametrize("figure", ["cpu", "memory", "disk"])
def test_every_figure_has_a_ratio_of_its_own(figure):
    row = build.node(**{f"overcommit_{figure}": 1000})
    committing._claim("n1", Resources(**{figure: 10 * getattr(row.capacity, figure)}))
    for other in {"cpu", "memory", "disk"} - {figure}:
        with pytest.raises(committing.ClaimLost):
            committing._claim("n1", Resources(**{other: getattr(row.capacity, other) + 1}))


def test_claims_in_parallel_never_exceed_the_node():
    build.node(cpu=1000)
    group = build.group()
    apps = [build.app(group, f"app-{n}") for n in range(8)]
    outcomes = in_threads(lambda app: assign(app, 0), apps)
    assert sum(outcome is None for outcome in outcomes) == 4
    assert {type(o) for o in outcomes if o is not None} == {committing.ClaimLost}
    assert Node.objects.get().reserved_cpu == 1000


def test_apps_of_one_group_get_addresses_of_their_own_in_parallel():
    build.node()
    group = build.group()
    apps = [build.app(group, f"app-{n}") for n in range(6)]
    assert in_threads(lambda app: assign(app, 0, 1), apps) == [None] * 6
    addresses = Instance.objects.values_list("address", flat=True)
    assert len(set(addresses)) == 12
    assert f"{group.subnet.rsplit('.', 1)[0]}.1" not in addresses


def test_a_freed_address_rests_before_it_is_given_out_again():
    build.node()
    app = build.app(build.group())
    assign(app, 0)
    first = Instance.objects.get()
    recording.gone(first.id, timezone.now())
    assign(app, 0)
    assert Instance.objects.get(gone_at=None).address != first.address
    rested = timezone.now() - committing.QUARANTINE - timedelta(seconds=1)
    Instance.objects.filter(id=first.id).update(gone_at=rested)
    assign(app, 1)
    assert Instance.objects.get(slot=1).address == first.address


def test_a_claim_is_given_back_exactly_once():
    build.node()
    app = build.app(build.group())
    assign(app, 0, 1)
    instance = Instance.objects.get(slot=0)
    in_threads(lambda _: recording.gone(instance.id, timezone.now()), range(4))
    node = Node.objects.get()
    assert (node.reserved_cpu, node.reserved_memory, node.reserved_instances) == (250, 64 << 20, 1)


def test_a_start_that_the_observer_saw_end_already_is_not_recorded_as_running():
    build.node()
    app = build.app(build.group())
    assign(app, 0)
    Instance.objects.update(process="exited")
    recording.started(Instance.objects.get().id, "c1", timezone.now())
    row = Instance.objects.get()
    assert (row.state, row.process) == (State.STARTED, "exited")


def test_a_pass_that_read_what_was_wanted_before_does_not_end_a_newer_operation():
    build.node()
    app = build.app(build.group())
    before = state(app)
    newer = build.deploy(app, env={"A": "1"})
    mixed = replace(before, operation=state(app).operation)
    outcome.end(mixed, Outcome(OperationStatus.SUCCEEDED, because("converged")), timezone.now())
    newer.refresh_from_db()
    assert newer.status == OperationStatus.PENDING
    outcome.end(state(app), Outcome(OperationStatus.SUCCEEDED, because("converged")), timezone.now())
    newer.refresh_from_db()
    assert newer.status == OperationStatus.SUCCEEDED


class TestRunner:
    def test_one_runner_an_app_and_the_other_one_leaves_word(self):
        app = build.app(build.group())
        with runner.run(app.id) as held:
            assert held is not None
            with runner.run(app.id) as second:
                assert second is None
            assert not held.finish()  # someone asked meanwhile
            assert held.finish()
        with runner.run(app.id) as third:
            assert third is not None

    def test_a_runner_that_died_is_succeeded_when_its_lease_is_over(self):
        app = build.app(build.group())
        App.objects.update(runner="dead", runner_until=timezone.now() + timedelta(seconds=5))
        with runner.run(app.id) as held:
            assert held is None
        App.objects.update(runner_until=timezone.now() - timedelta(seconds=1))
        with runner.run(app.id) as held:
            assert held is not None

    def test_the_app_of_a_process_that_ended_is_free_at_once_and_no_other(self):
        group = build.group()
        dead, alive, far = (build.app(group, name) for name in ("dead", "alive", "far"))
        machine, own, began, word = runner._token().split(".")
        tokens = {
            dead: f"{machine}.{own}.{int(began) - 1}.{word}",  # the same pid, but an earlier process
            alive: f"{machine}.{own}.{began}.{word}",
            far: f"00000000.1.1.{word}",
        }
        for app, token in tokens.items():
            App.objects.filter(id=app.id).update(runner=token, runner_until=timezone.now() + timedelta(seconds=9))
        assert runner.release_dead() == [dead.id]
        assert set(App.objects.exclude(runner="").values_list("id", flat=True)) == {alive.id, far.id}

    def test_a_runner_whose_lease_was_taken_over_does_not_let_go_of_anothers(self):
        app = build.app(build.group())
        with runner.run(app.id) as held:
            App.objects.update(runner="other")
            assert not held.renew()
            assert held.finish()
        assert App.objects.get().runner == "other"

    def test_of_many_at_once_one_gets_it(self):
        app = build.app(build.group())
        taken = in_threads(lambda n: runner._take(app.id, f"runner-{n}"), range(6))
        assert sum(isinstance(r, runner.Runner) for r in taken) == 1
