"""Containers: made, started, ended, removed; and what befalls them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.engine.base import (
    ImageMissing,
    Labels,
    NameTaken,
    NetworkMissing,
    NetworkSpec,
    NotFound,
    Refused,
)
from scheduler.engine.hostconfig import RESTARTS
from scheduler.model import ExecHealth, Process, Resources
from tests.engine_cases.subject import NOWHERE, Subject, launched, process_of, spec_of
from tests.services import wait_until


def test_a_container_is_made_and_shown_as_it_was_asked_for(subject: Subject, network: NetworkSpec) -> None:
    made = subject.engine.create(spec_of(subject))
    container = subject.engine.container(made)
    assert container is not None
    assert container == replace(
        container,
        id=made,
        name=f"berth-{subject.installation}.grp.web.0.1",
        labels=spec_of(subject).labels,
        process=Process.CREATED,
        exit_code=None,
        started_at=None,
        restarts=0,
        exec_health=ExecHealth.NONE,
        address=f"{subject.subnet}.10",
        networks=(network.name,),
        cpu=250,
        memory=32 << 20,
    )


def test_a_started_container_runs_under_its_address(subject: Subject, network: NetworkSpec) -> None:
    container = subject.engine.container(launched(subject))
    assert container is not None
    assert container.process is Process.RUNNING
    assert container.address == f"{subject.subnet}.10"
    assert container.started_at is not None
    assert container.started_at.utcoffset() == timedelta(0)
    assert container.exit_code is None


def test_a_container_is_found_by_its_name_too(subject: Subject, network: NetworkSpec) -> None:
    spec = spec_of(subject)
    made = subject.engine.create(spec)
    found = subject.engine.container(spec.name)
    assert found is not None
    assert found.id == made


def test_a_container_that_there_is_not_is_none(subject: Subject) -> None:
    assert subject.engine.container("berth-nothing") is None


def test_creating_it_again_adopts_it(subject: Subject, network: NetworkSpec) -> None:
    assert launched(subject) == launched(subject)
    assert len(subject.engine.containers()) == 1


def test_created_by_many_at_once_it_is_made_once(subject: Subject, network: NetworkSpec) -> None:
    spec = spec_of(subject)
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: subject.engine.create(spec), range(16)))
    assert len(ids) == 1


def test_a_name_that_belongs_to_something_else_is_taken(subject: Subject, network: NetworkSpec) -> None:
    spec = spec_of(subject)
    subject.engine.create(spec)
    other = replace(spec, labels=replace(spec.labels, app_id=8))
    with pytest.raises(NameTaken):
        subject.engine.create(other)
    subject.engine.remove(spec.name)
    subject.engine.create(other)


def test_the_network_has_to_be_there(subject: Subject) -> None:
    with pytest.raises(NetworkMissing):
        launched(subject)


def test_the_image_has_to_be_there(subject: Subject, network: NetworkSpec) -> None:
    with pytest.raises(ImageMissing):
        subject.engine.create(spec_of(subject, digest=NOWHERE))


@pytest.mark.parametrize("resources", [Resources(cpu=10**6, memory=32 << 20), Resources(cpu=100, memory=1 << 20)])
def test_resources_that_the_engine_cannot_grant_are_refused(
    subject: Subject, network: NetworkSpec, resources: Resources
) -> None:
    with pytest.raises(Refused) as refused:
        subject.engine.create(spec_of(subject, resources=resources))
    assert not refused.value.temporary


def test_starting_what_runs_changes_nothing(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    before = subject.engine.container(made)
    subject.engine.start(made)
    assert subject.engine.container(made) == before


def test_starting_what_is_paused_lets_it_go_on(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.pause_behind_back(made)
    assert process_of(subject, made) is Process.PAUSED
    subject.engine.start(made)
    assert process_of(subject, made) is Process.RUNNING


def test_what_is_not_there_cannot_be_started_or_terminated(subject: Subject) -> None:
    for call in (subject.engine.start, subject.engine.terminate):
        with pytest.raises(NotFound):
            call("berth-nothing")


def test_a_terminated_container_ends_and_stays_down(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.engine.terminate(made)
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has ended")
    container = subject.engine.container(made)
    assert container is not None
    assert (container.exit_code, container.restarts) == (143, 0)
    subject.engine.terminate(made)  # once more does no harm


def test_terminating_what_never_ran_leaves_it_alone(subject: Subject, network: NetworkSpec) -> None:
    made = subject.engine.create(spec_of(subject))
    subject.engine.terminate(made)
    assert process_of(subject, made) is Process.CREATED


def test_a_removed_container_is_gone_and_its_name_free(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.engine.remove(made)
    assert subject.engine.containers() == []
    assert launched(subject) != made


def test_removing_what_is_gone_is_fine(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.engine.remove(made)
    subject.engine.remove(made)
    subject.engine.remove("berth-nothing")


def test_removed_by_many_at_once_it_is_gone_for_all(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)

    def remove(_: int) -> Process:
        subject.engine.remove(made)
        return process_of(subject, made)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(remove, range(8))) == {Process.MISSING}


def test_only_this_installations_containers_are_listed(subject: Subject, network: NetworkSpec) -> None:
    foreign = spec_of(
        subject,
        labels=Labels(f"not-{subject.installation}", "grp", "web", 7, 5, 1, 1, "t1"),
        address=f"{subject.subnet}.9",
    )
    stranger = subject.run_behind_back(foreign)
    created = subject.engine.create(spec_of(subject, 1))
    running = launched(subject, 0)
    assert [container.id for container in subject.engine.containers()] == [running, created]
    assert subject.engine.container(stranger) is None


def test_containers_that_vanish_while_they_are_listed_do_no_harm(subject: Subject, network: NetworkSpec) -> None:
    made = [subject.engine.create(spec_of(subject, slot)) for slot in range(12)]
    with ThreadPoolExecutor(2) as threads:
        removing = threads.submit(lambda: [subject.engine.remove(each) for each in made])
        seen = [len(subject.engine.containers()) for _ in range(10)]
        removing.result()
    assert seen == sorted(seen, reverse=True)
    assert subject.engine.containers() == []


def test_a_crashed_container_comes_back_a_few_times(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)

    def restarts() -> int:
        container = subject.engine.container(made)
        return container.restarts if container and container.process is Process.RUNNING else 0

    for times in range(1, RESTARTS + 1):
        subject.crash(made, 3)
        wait_until(lambda: restarts() == times, f"it came back {times} times")  # noqa: B023
    subject.crash(made, 3)
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it stays down")
    container = subject.engine.container(made)
    assert container is not None
    assert (container.exit_code, container.restarts) == (3, RESTARTS)


def test_a_container_that_runs_out_of_memory_says_so(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)

    def restarts() -> int:
        container = subject.engine.container(made)
        return container.restarts if container and container.process is Process.RUNNING else 0

    for times in range(1, RESTARTS + 1):
        subject.exhaust(made)
        wait_until(lambda: restarts() == times, f"it came back {times} times")  # noqa: B023
    subject.exhaust(made)
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it stays down")
    container = subject.engine.container(made)
    assert container is not None
    assert (container.exit_code, container.oom_killed) == (137, True)


def test_a_container_that_ends_well_stays_down(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.crash(made, 0)
    wait_until(lambda: process_of(subject, made) is Process.EXITED, "it has ended")
    container = subject.engine.container(made)
    assert container is not None
    assert (container.exit_code, container.restarts) == (0, 0)
    subject.engine.start(made)
    assert process_of(subject, made) is Process.RUNNING


def test_a_changed_limit_is_seen(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.limit_behind_back(made, 48 << 20)
    container = subject.engine.container(made)
    assert container is not None
    assert container.memory == 48 << 20
