"""Networks and addresses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from scheduler.engine.base import (
    AddressTaken,
    NetworkMissing,
    NetworkSpec,
    Refused,
)
from scheduler.model import Process
from tests.engine_cases.subject import Subject, launched, network_of, process_of, spec_of


def test_an_address_in_use_is_refused_at_the_start_until_it_is_free(subject: Subject, network: NetworkSpec) -> None:
    holder = launched(subject, 0)
    late = subject.engine.create(spec_of(subject, 1, address=f"{subject.subnet}.10"))
    with pytest.raises(AddressTaken):
        subject.engine.start(late)
    subject.engine.remove(holder)
    subject.engine.start(late)


def test_the_gateways_address_is_taken(subject: Subject, network: NetworkSpec) -> None:
    with pytest.raises(AddressTaken):
        launched(subject, address=f"{subject.subnet}.1")


def test_an_address_of_no_subnet_of_the_network_is_refused(subject: Subject, network: NetworkSpec) -> None:
    with pytest.raises(Refused):
        launched(subject, address=f"{subject.subnet}.200")


def test_a_network_is_made_once(subject: Subject) -> None:
    spec = network_of(subject)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: subject.engine.ensure_network(spec), range(16)))
    assert subject.engine.networks() == [(spec.name, spec.labels)]


def test_a_subnet_that_overlaps_with_anothers_is_taken(subject: Subject, network: NetworkSpec) -> None:
    with pytest.raises(AddressTaken):
        subject.engine.ensure_network(network_of(subject, "other", "64/26"))
    subject.engine.ensure_network(network_of(subject, "other", "128/26"))
    assert [name for name, _ in subject.engine.networks()] == sorted(
        [network.name, network_of(subject, "other").name],
    )


def test_a_leftover_with_another_subnet_is_replaced(subject: Subject, network: NetworkSpec) -> None:
    moved = network_of(subject, subnet="128/26")
    subject.engine.ensure_network(moved)
    launched(subject, address=f"{subject.subnet}.140")


def test_a_leftover_with_another_subnet_stays_while_it_is_in_use(subject: Subject, network: NetworkSpec) -> None:
    launched(subject)
    with pytest.raises(Refused):
        subject.engine.ensure_network(network_of(subject, subnet="128/26"))


def test_a_network_is_removed_when_nothing_runs_on_it(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    with pytest.raises(Refused):
        subject.engine.remove_network(network.name)
    subject.engine.remove(made)
    subject.engine.remove_network(network.name)
    subject.engine.remove_network(network.name)
    assert subject.engine.networks() == []


def test_a_container_survives_that_its_network_is_made_anew(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    subject.stop_behind_back(made)
    subject.engine.remove_network(network.name)
    with pytest.raises(NetworkMissing):
        subject.engine.start(made)
    subject.engine.ensure_network(network)
    subject.engine.start(made)
    assert process_of(subject, made) is Process.RUNNING
