"""What subscribers hear."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scheduler.engine.base import (
    Engine,
    EngineError,
    EngineEvent,
    EngineUnreachable,
    Labels,
    NetworkSpec,
)
from tests.engine_cases.subject import Subject, ended_by, launched, spec_of
from tests.services import wait_until


class Listener:
    """Collects events in a thread; everything that follows its making is heard."""

    def __init__(self, engine: Engine) -> None:
        self.heard: list[EngineEvent] = []
        self.ended_with: EngineError | None = None
        self._events = engine.events()
        assert next(self._events) is None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for event in self._events:
                if event is not None:
                    self.heard.append(event)
        except EngineError as error:
            self.ended_with = error

    def actions(self, id: str) -> list[str]:
        return [event.action for event in self.heard if event.container == id]

    def wait_for(self, id: str, *actions: str) -> None:
        wait_until(lambda: self.actions(id) == list(actions), f"events {actions}, not {self.actions(id)}", 10)

    def close(self) -> None:
        self._events.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def listener(subject: Subject) -> Iterator[Listener]:
    listener = Listener(subject.engine)
    yield listener
    listener.close()


def test_a_subscriber_hears_of_a_containers_life_in_order(
    subject: Subject, network: NetworkSpec, listener: Listener
) -> None:
    made = launched(subject)
    listener.wait_for(made, "create", "connect", "start")
    subject.stop_behind_back(made)
    listener.wait_for(made, "create", "connect", "start", "kill", "die", "disconnect", "stop")
    subject.engine.remove(made)
    listener.wait_for(made, "create", "connect", "start", "kill", "die", "disconnect", "stop", "destroy")
    assert {event.labels for event in listener.heard} == {spec_of(subject).labels}
    assert [event.at for event in listener.heard] == sorted(event.at for event in listener.heard)


def test_a_subscriber_hears_of_a_crash_and_of_the_return(
    subject: Subject, network: NetworkSpec, listener: Listener
) -> None:
    made = launched(subject)
    subject.crash(made, 3)
    listener.wait_for(made, "create", "connect", "start", "die", "disconnect", "connect", "start")


def test_a_subscriber_hears_of_a_forced_removal(subject: Subject, network: NetworkSpec, listener: Listener) -> None:
    made = launched(subject)
    subject.remove_behind_back(made)
    listener.wait_for(made, "create", "connect", "start", "kill", "die", "disconnect", "destroy")


def test_a_subscriber_hears_of_a_change(subject: Subject, network: NetworkSpec, listener: Listener) -> None:
    made = launched(subject)
    subject.limit_behind_back(made, 48 << 20)
    listener.wait_for(made, "create", "connect", "start", "update")


def test_nobody_hears_of_others_containers(subject: Subject, network: NetworkSpec, listener: Listener) -> None:
    foreign = spec_of(
        subject,
        labels=Labels(f"not-{subject.installation}", "grp", "web", 7, 5, 1, 1, "t1"),
        address=f"{subject.subnet}.9",
    )
    subject.run_behind_back(foreign)
    made = launched(subject)
    listener.wait_for(made, "create", "connect", "start")
    assert {event.container for event in listener.heard} == {made}


def test_all_subscribers_hear(subject: Subject, network: NetworkSpec, listener: Listener) -> None:
    other = Listener(subject.engine)
    made = launched(subject)
    for each in (listener, other):
        each.wait_for(made, "create", "connect", "start")
    other.close()
    assert other.ended_with is None


def test_closing_the_client_ends_what_waits_on_the_engine(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    events, lines = subject.engine.events(), subject.engine.logs(made, follow=True)
    assert next(events) is None
    for stream in (events, lines):
        assert isinstance(ended_by(subject.engine.close, lambda: next(stream)), EngineUnreachable)  # noqa: B023
