"""How an app and its operation are, in the words that people see. Pure, and computed anew by every pass."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from scheduler.canary import tries_out
from scheduler.diff import Plan
from scheduler.lifecycle import State
from scheduler.model import AppState, AppStatus, OperationKind, Strategy
from scheduler.reasons import Reason


class StepStatus(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an operation: `done` of `of` instances have taken it."""

    name: str  # place, start, health, canary or retire
    status: StepStatus
    done: int
    of: int


def status(app: AppState, plan: Plan) -> tuple[AppStatus, Reason | None]:
    """The app in one word, with what it waits for if it waits; the first rule that matches decides."""
    waits = plan.wait[0].reason if plan.wait else None
    if app.deleting:
        return AppStatus.DELETING, waits
    if not app.running:
        return AppStatus.STOPPED, waits
    healthy = sum(i.state is State.HEALTHY for i in app.instances)
    current = sum(i.state is State.HEALTHY and i.template == app.release.template for i in app.instances)
    failed = next((failures.reason for failures in app.failures.values()), None) or _tried_again(app)
    if current >= app.release.spec.replicas and not app.operation:
        return AppStatus.HEALTHY, None
    if healthy and app.operation:
        return AppStatus.UPDATING, waits
    if healthy:
        return AppStatus.DEGRADED, failed or waits
    if failed:
        return AppStatus.FAILING, failed
    return AppStatus.PENDING, waits


def _tried_again(app: AppState) -> Reason | None:
    """Why an instance was made that has yet to do better than the one before it."""
    unproven = (i for i in app.instances if i.failures and i.state in (State.ASSIGNED, State.STARTED))
    return next((i.reason for i in unproven), None)


def steps(app: AppState) -> tuple[Step, ...]:
    """The operation's steps with how far each has come; each counts instances, in the order they pass through."""
    leaving = sum(i.state.going for i in app.instances)
    if not app.running or app.deleting:
        return _chain([("retire", 0 if app.instances else 1, 1)])
    want = app.release.spec.replicas
    current = [i for i in app.instances if not i.state.going and i.template == app.release.template and not i.drift]
    outdated = sum(not i.state.going for i in app.instances) - len(current)
    started = sum(i.state is not State.ASSIGNED for i in current)
    healthy = sum(i.state is State.HEALTHY for i in current)
    return _chain(
        [
            ("place", min(len(current), want), want),
            ("start", min(started, want), want),
            ("health", min(healthy, want), want),
            *_canary(app),
            ("retire", 0 if outdated or leaving or len(current) > want else 1, 1),
        ]
    )


def _canary(app: AppState) -> list[tuple[str, int, int]]:
    """How many steps of its canary a release has behind it, of how many; nothing for one that is not tried."""
    if app.release.spec.update.strategy is not Strategy.CANARY or app.operation is None:
        return []
    steps = len(app.release.spec.update.canary.steps)
    if tries_out(app):
        return [("canary", app.canary.step if app.canary else 0, steps)]
    tried = app.last_good is not None and app.last_good.template != app.release.template
    return [("canary", steps, steps)] if tried and app.operation.kind is not OperationKind.ROLLBACK else []


def _chain(counts: list[tuple[str, int, int]]) -> tuple[Step, ...]:
    """A step waits until something of the one before it is done."""
    chain: list[Step] = []
    for name, done, of in counts:
        if done >= of and all(step.status is StepStatus.DONE for step in chain):
            state = StepStatus.DONE
        elif not chain or chain[-1].done:
            state = StepStatus.RUNNING
        else:
            state = StepStatus.WAITING
        chain.append(Step(name, state, done, of))
    return tuple(chain)
