"""Small builders for the loop's values: a test names what it is about, the rest is as usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.lifecycle import State
from scheduler.model import (
    AppState,
    Edge,
    Failures,
    HealthCheck,
    Instance,
    Operation,
    OperationKind,
    Probe,
    Process,
    Release,
    Resources,
    Spec,
    UpdatePolicy,
)
from scheduler.reasons import because

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
CLAIM = Resources(cpu=250, memory=64 << 20, instances=1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def spec(replicas: int = 2, **changes: Any) -> Spec:
    policy = UpdatePolicy(**changes.pop("update", {}))
    health = HealthCheck(**changes.pop("health", {}))
    return Spec("web:1", "web@sha256:1", replicas=replicas, update=policy, health=health, **changes)


def release(number: int = 1, template: str = "t1", **changes: Any) -> Release:
    return Release(number, template, spec(**changes))


def instance(slot: int = 0, state: State = State.HEALTHY, **changes: Any) -> Instance:
    """A running instance of template t1 that has been in its state for a minute, with an edge's word for it."""
    generation = changes.pop("generation", slot + 1)
    up = state in (State.HEALTHY, State.DRAINING)
    fresh = state is State.ASSIGNED
    usual = Instance(
        id=generation,
        slot=slot,
        generation=generation,
        release=1,
        template="t1",
        state=state,
        since=ago(60),
        node="n1",
        address=f"10.0.0.{generation + 1}",
        claim=CLAIM,
        created_at=ago(70),
        started_at=None if fresh else ago(65),
        healthy_at=ago(60) if up or state is State.UNHEALTHY else None,
        process=Process.UNKNOWN if fresh else Process.RUNNING,
        probes=() if fresh else (Probe("e1", up, ago(60), "" if up else "L7STS/500"),),
        endpoint_revision=5 if state.going else None,
    )
    return replace(usual, **changes)


def app(*instances: Instance, **changes: Any) -> AppState:
    """An app of group g that wants two instances of release 1, with one live edge that has applied everything."""
    usual = AppState(
        id=1,
        group="g",
        name="web",
        running=True,
        deleting=False,
        release=release(),
        last_good=None,
        next_generation=100,
        instances=instances,
        failures={},
        edges=(Edge("e1", 10),),
        operation=None,
        published_revision=10,
        published_at=ago(1),
    )
    return replace(usual, **changes)


def failures(count: int, seconds_ago: float = 0.0) -> Failures:
    return Failures(count, ago(seconds_ago), 9, because("exited", code=1))


def operation(kind: OperationKind = OperationKind.DEPLOY, seconds_ago: float = 1.0) -> Operation:
    return Operation("op", kind, ago(seconds_ago))
