"""A plan in the making, and the questions that every step of it asks of the app."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scheduler.diff.plan import Create, Move, Wait
from scheduler.lifecycle import State
from scheduler.model import AppState, Canary, Failures, Instance, Process
from scheduler.reasons import Amount, Reason, Unit, because

BACKOFF_MAX = 300.0
STABLE = 600.0  # seconds of health after which earlier failures no longer count


def failures_after(earlier: int, healthy_at: datetime | None, ended_at: datetime) -> int:
    """How many failures in a row a slot has after an instance with so many `earlier` ones failed as well."""
    stable = healthy_at is not None and ended_at - healthy_at >= timedelta(seconds=STABLE)
    return 1 if stable else earlier + 1


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: none after the first, then 2, 4, 8 … at most 300."""
    return 0.0 if failures < 2 else min(2.0 ** (failures - 1), BACKOFF_MAX)


@dataclass
class Draft:
    """A plan in the making. `staying` are the instances that remain, as they will be once its moves are made."""

    app: AppState
    now: datetime
    failures: dict[int, Failures]
    moves: list[Move] = field(default_factory=list)
    create: list[Create] = field(default_factory=list)
    launch: list[Instance] = field(default_factory=list)
    stop: list[Instance] = field(default_factory=list)
    remove: list[Instance] = field(default_factory=list)
    wait: list[Wait] = field(default_factory=list)
    switch: bool = False
    canary: Canary | None = None
    halt: Reason | None = None  # why the canary is given up
    staying: list[Instance] = field(default_factory=list)

    def later(
        self, reason: Reason, seconds: float | None = None, since: datetime | None = None, *, apart: bool = False
    ) -> None:
        until = None if seconds is None else (since or self.now) + timedelta(seconds=seconds)
        self.wait.append(Wait(reason, until, apart))

    def back_off(self, failures: Failures) -> None:
        delay = backoff(failures.count)
        left = round((failures.ended_at - self.now).total_seconds() + delay, 1)
        self.later(because("backing_off", failures=failures.count, seconds=left), delay, failures.ended_at)

    def overdue(self, since: datetime, seconds: float) -> bool:
        return self.now >= since + timedelta(seconds=seconds)

    def move(self, instance: Instance, to: State, reason: Reason) -> Instance:
        self.moves.append(Move(instance, to, reason))
        return replace(instance, state=to, since=self.now, reason=reason)

    def retire(self, instance: Instance, reason: Reason) -> None:
        """Send an instance on its way out: by a drain if it serves, else at once. Undoes what else was planned."""
        self.moves = [move for move in self.moves if move.instance.id != instance.id]
        self.launch = [launched for launched in self.launch if launched.id != instance.id]
        self.staying = [stays for stays in self.staying if stays.id != instance.id]
        serves = instance.state is State.HEALTHY and instance.process is Process.RUNNING
        self.moves.append(Move(instance, State.DRAINING if serves else State.WITHDRAWN, reason))

    def give_up(self, instance: Instance, reason: Reason) -> None:
        """Send an instance away for a fault of its own, which counts against its slot."""
        self.moves.append(Move(instance, State.WITHDRAWN, reason, failed=True))
        if instance.template == self.app.release.template:
            count = failures_after(instance.failures, instance.healthy_at, self.now)
            self.failures[instance.slot] = Failures(count, self.now, instance.generation, reason)


def on_trial(app: AppState) -> bool:
    """Whether the wanted release has yet to show that it serves."""
    return app.operation is not None and (app.last_good is None or app.last_good.template != app.release.template)


def ready(draft: Draft, instance: Instance) -> bool:
    """Whether an instance is healthy, and one of a release on trial for as long as that takes."""
    tried = instance.template == draft.app.release.template and on_trial(draft.app)
    proven = not tried or draft.overdue(instance.since, draft.app.release.spec.update.min_ready)
    return instance.state is State.HEALTHY and proven


def active_template(app: AppState) -> str:
    """The template that has the traffic; empty when no instance of it is left, so that whatever is there serves."""
    return app.active if any(i.template == app.active and not i.state.going for i in app.instances) else ""


def ended(instance: Instance) -> Reason:
    """How its process ended."""
    if instance.oom_killed and instance.exit_code:
        return because("out_of_memory", limit=Amount(instance.claim.memory, Unit.BYTES), code=instance.exit_code)
    return because("exited", code=instance.exit_code)
