"""What the fake engine has beyond the interface."""

from __future__ import annotations

import pytest

from scheduler.engine.base import (
    ContainerSpec,
    EngineUnreachable,
    ImageUnpullable,
    Labels,
    NetworkSpec,
    Refused,
)
from scheduler.engine.fake import FakeEngine
from scheduler.model import ExecHealth, Process, Resources

WEB = "registry/web@sha256:1"
NETWORK = NetworkSpec(Labels("test", "team"), "berth-test.team", "10.96.0.0/24")


class Died(BaseException):
    """The caller's process ends here."""


def spec(generation: int = 1, **changes: object) -> ContainerSpec:
    values: dict[str, object] = {
        "labels": Labels("test", "team", "web", 7, 0, generation, 1, "t1"),
        "digest": WEB,
        "command": (),
        "env": {},
        "network": NETWORK.name,
        "address": f"10.96.0.{10 + generation}",
        "aliases": (),
        "resources": Resources(cpu=100, memory=16 << 20, instances=1),
        **changes,
    }
    return ContainerSpec(**values)  # type: ignore[arg-type]


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine("test", images=[WEB])
    engine.ensure_network(NETWORK)
    engine.history.clear()
    return engine


def launched(engine: FakeEngine) -> str:
    made = engine.create(spec())
    engine.start(made)
    return made


def process_of(engine: FakeEngine, id: str) -> Process:
    container = engine.container(id)
    return container.process if container else Process.MISSING


def test_two_runs_of_the_same_are_the_same() -> None:
    def run() -> object:
        engine = FakeEngine("test", images=[WEB])
        engine.ensure_network(NETWORK)
        events = engine.events()
        made = launched(engine)
        engine.crash(made)
        engine.remove(made)
        return [next(events) for _ in range(12)]

    assert run() == run()


def test_the_history_tells_what_took_effect_alone(engine: FakeEngine) -> None:
    made = launched(engine)
    assert launched(engine) == made
    engine.pull(WEB)
    engine.ensure_network(NETWORK)
    engine.terminate(made)
    engine.terminate(made)
    engine.remove(made)
    engine.remove(made)
    name = "berth-test.team.web.0.1"
    assert engine.history == [("create", name), ("start", name), ("terminate", name), ("remove", name)]


def test_who_dies_before_an_effect_leaves_none(engine: FakeEngine) -> None:
    def die(method: str) -> None:
        if method == "create":
            raise Died

    engine.before_effect = die
    with pytest.raises(Died):
        engine.create(spec())
    assert engine.containers() == []
    assert engine.history == []


def test_who_dies_after_an_effect_leaves_it(engine: FakeEngine) -> None:
    def die(method: str) -> None:
        if method == "create":
            raise Died

    engine.after_effect = die
    with pytest.raises(Died):
        engine.create(spec())
    assert [container.process for container in engine.containers()] == [Process.CREATED]


def test_hooks_hear_of_every_call(engine: FakeEngine) -> None:
    heard: list[str] = []
    engine.before_effect = heard.append
    launched(engine)
    engine.containers()
    assert heard == ["create", "start", "containers"]


def test_a_dead_engine_answers_nobody_and_its_containers_run_on(engine: FakeEngine) -> None:
    made = launched(engine)
    events = engine.events()
    assert next(events) is None
    engine.kill_engine()
    with pytest.raises(EngineUnreachable):
        next(events)
    for call in (engine.info, engine.containers, lambda: engine.start(made), lambda: engine.create(spec())):
        with pytest.raises(EngineUnreachable):
            call()
    engine.revive()
    assert process_of(engine, made) is Process.RUNNING


def test_a_crash_while_the_engine_is_dead_is_made_good_when_it_is_back(engine: FakeEngine) -> None:
    made = launched(engine)
    engine.kill_engine()
    engine.crash(made)
    engine.revive()
    container = engine.container(made)
    assert container is not None
    assert (container.process, container.restarts) == (Process.RUNNING, 1)


def test_a_crash_for_good_stays_down(engine: FakeEngine) -> None:
    made = launched(engine)
    engine.crash(made, 9, for_good=True)
    container = engine.container(made)
    assert container is not None
    assert (container.process, container.exit_code, container.restarts) == (Process.EXITED, 9, 0)


def test_events_can_get_lost(engine: FakeEngine) -> None:
    events = engine.events()
    assert next(events) is None
    engine.losing_events = True
    made = launched(engine)
    engine.losing_events = False
    engine.remove_behind_back(made)
    heard = next(events)
    assert heard is not None
    assert heard.action == "kill"


def test_images_can_be_out_of_reach_or_unable_to_start(engine: FakeEngine) -> None:
    engine.images.clear()
    engine.unpullable.add(WEB)
    with pytest.raises(ImageUnpullable):
        engine.pull(WEB)
    engine.unpullable.clear()
    engine.pull(WEB)
    engine.unstartable.add(WEB)
    made = engine.create(spec())
    with pytest.raises(Refused):
        engine.start(made)


def test_a_stubborn_image_runs_on_until_it_is_removed(engine: FakeEngine) -> None:
    engine.stubborn.add(WEB)
    made = launched(engine)
    engine.terminate(made)
    assert process_of(engine, made) is Process.RUNNING
    engine.remove(made)
    assert process_of(engine, made) is Process.MISSING


def test_a_health_command_starts_without_a_verdict(engine: FakeEngine) -> None:
    made = engine.create(spec(health_command=("true",)))
    engine.start(made)
    container = engine.container(made)
    assert container is not None
    assert container.exec_health is ExecHealth.STARTING
    engine.update_behind_back(made, exec_health=ExecHealth.HEALTHY)
    container = engine.container(made)
    assert container is not None
    assert container.exec_health is ExecHealth.HEALTHY


def test_an_orphan_can_appear(engine: FakeEngine) -> None:
    made = engine.add_behind_back(spec(5))
    assert [(container.id, container.labels.generation) for container in engine.containers()] == [(made, 5)]
    assert engine.history == []
