"""The engine on test, and what the cases make on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from scheduler.engine.base import (
    ContainerSpec,
    Engine,
    EngineError,
    Labels,
    NetworkSpec,
    network_name,
)
from scheduler.model import Process, Resources

NOWHERE = f"sha256:{'a' * 64}"


class Subject(Protocol):
    """An engine on test and what can be done to it without its knowing."""

    engine: Engine
    installation: str
    tag: str  # names an image that exposes 53/udp, 8081/tcp and 8080/tcp; its process runs until told to end
    digest: str  # what it means
    subnet: str  # "10.66.7": the first three figures of addresses that nothing else uses

    def crash(self, id: str, code: int) -> None: ...
    def exhaust(self, id: str) -> None: ...
    def remove_behind_back(self, id: str) -> None: ...
    def stop_behind_back(self, id: str) -> None: ...
    def pause_behind_back(self, id: str) -> None: ...
    def limit_behind_back(self, id: str, memory: int) -> None: ...
    def print_line(self, id: str, text: str, stream: str) -> None: ...
    def run_behind_back(self, container: ContainerSpec) -> str: ...


@pytest.fixture
def network(subject: Subject) -> NetworkSpec:
    """The group's network; it is there."""
    spec = network_of(subject)
    subject.engine.ensure_network(spec)
    return spec


def network_of(subject: Subject, group: str = "grp", subnet: str = "0/25") -> NetworkSpec:
    labels = Labels(subject.installation, group)
    return NetworkSpec(labels, network_name(subject.installation, group), f"{subject.subnet}.{subnet}")


def spec_of(subject: Subject, slot: int = 0, generation: int = 1, **changes: object) -> ContainerSpec:
    spec = ContainerSpec(
        labels=Labels(subject.installation, "grp", "web", 7, slot, generation, 1, "t1"),
        digest=subject.digest,
        command=(),
        env={"GREETING": "hello"},
        network=network_name(subject.installation, "grp"),
        address=f"{subject.subnet}.{10 + slot}",
        aliases=("web",),
        resources=Resources(cpu=250, memory=32 << 20, instances=1),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def launched(subject: Subject, slot: int = 0, **changes: object) -> str:
    made = subject.engine.create(spec_of(subject, slot, **changes))
    subject.engine.start(made)
    return made


def process_of(subject: Subject, id: str) -> Process:
    container = subject.engine.container(id)
    return container.process if container else Process.MISSING


def ended_by(end: Callable[[], None], reading: Callable[[], object]) -> object:
    """What `reading` gave or raised, after `end` was called while it waited."""
    outcome: list[object] = []

    def read() -> None:
        try:
            outcome.append(reading())
        except EngineError as error:
            outcome.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    end()
    thread.join(10)
    assert outcome, "it still waits"
    return outcome[0]
