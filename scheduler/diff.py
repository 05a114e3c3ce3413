"""Desired x observed x now -> plan: what the loop has to do for one app, and why.

Pure: `diff` looks at no clock and changes nothing. It reads top down:

1. every instance on its way out takes its next step (`_leave`);
2. every other one is judged: launched, moved on by its health, or given up (`_judge`);
3. what remains is compared with what is wanted, slot by slot (`_scale`);
4. the operation under way ends, if what it asked for is true or will not become so (`_conclude`).

Two budgets hold throughout a rolling update: at most `replicas + max_surge` instances that are not on their way out,
and never fewer healthy ones than `replicas - max_unavailable`, nor fewer than one, because of it. A recreation trades
them for never having two instances in a slot, blue-green makes all new instances before any old one goes, and a canary
keeps every old one until the new release has shown on a part of the traffic that it serves (`scheduler.canary`).

An instance that shall run elsewhere (`Instance.relocate`) is replaced like an outdated one, by one more beside it where
surge allows that. One that makes room for another app goes first, unless it is its app's last healthy one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scheduler import canary
from scheduler.health import Verdict, judge
from scheduler.lifecycle import State
from scheduler.model import (
    AppState,
    Canary,
    Failures,
    Instance,
    OnFailure,
    OperationKind,
    OperationStatus,
    Process,
    Release,
    Relocate,
    Strategy,
)
from scheduler.placement.units import amount
from scheduler.reasons import Reason, because

ATTEMPTS = 2  # failures in a row in one slot after which an operation is given up
ACKNOWLEDGE = 30.0  # seconds after which an edge that is alive but applies nothing is no longer waited for
BACKOFF_MAX = 300.0
STABLE = 600.0  # seconds of health after which earlier failures no longer count


def failures_after(earlier: int, healthy_at: datetime | None, ended_at: datetime) -> int:
    """How many failures in a row a slot has after an instance with so many `earlier` ones failed as well."""
    stable = healthy_at is not None and ended_at - healthy_at >= timedelta(seconds=STABLE)
    return 1 if stable else earlier + 1


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: none after the first, then 2, 4, 8 … at most 300."""
    return 0.0 if failures < 2 else min(2.0 ** (failures - 1), BACKOFF_MAX)


@dataclass(frozen=True, slots=True)
class Create:
    slot: int
    generation: int
    failures: int
    reason: Reason
    stable: bool = False  # of the last good release, not of the wanted one


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a recorded state that needs no engine. `failed`: because of a fault of the instance's own."""

    instance: Instance
    to: State
    reason: Reason
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that the loop cannot hasten. `until` is when to look again at the latest, if time alone decides.

    What is `apart` is no part of the operation under way, which may end before.
    """

    reason: Reason
    until: datetime | None = None
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the operation ends. `generation` names the instance that shows why it failed."""

    status: OperationStatus
    reason: Reason
    step: str = ""
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Named buckets; the caller applies them in this order."""

    moves: tuple[Move, ...] = ()
    create: tuple[Create, ...] = ()
    launch: tuple[Instance, ...] = ()  # assigned: make and start the container, again if need be
    stop: tuple[Instance, ...] = ()  # nobody sends them anything any more: send the stop signal
    remove: tuple[Instance, ...] = ()  # ended, or given long enough to: remove, and give the claim back
    wait: tuple[Wait, ...] = ()
    switch: bool = False  # give the traffic to the wanted release's instances
    canary: Canary | None = None  # how far the wanted release has got, if it is tried on a part of the traffic
    outcome: Outcome | None = None

    @property
    def idle(self) -> bool:
        """Nothing to do now; perhaps something to wait for."""
        acts = self.moves or self.create or self.launch or self.stop or self.remove
        return not (acts or self.switch or self.outcome)

    @property
    def due(self) -> datetime | None:
        """When to look again even if nothing happens."""
        return min((wait.until for wait in self.wait if wait.until is not None), default=None)


def diff(app: AppState, now: datetime) -> Plan:
    """What has to be done for `app` at `now`. The same input gives the same plan."""
    draft = _Draft(app, now, failures=dict(app.failures))
    for instance in app.instances:
        if instance.state.going:
            _leave(draft, instance)
        else:
            _judge(draft, instance)
    if app.running and not app.deleting:
        _make_room(draft)
        _scale(draft)
    else:
        reason = because("deleted_on_request" if app.deleting else "stopped_on_request")
        for instance in list(draft.staying):
            draft.retire(instance, reason)
    outcome = _conclude(draft)
    return Plan(
        moves=tuple(draft.moves),
        create=tuple(draft.create),
        launch=tuple(draft.launch),
        stop=tuple(draft.stop),
        remove=tuple(draft.remove),
        wait=tuple(draft.wait),
        switch=draft.switch,
        canary=draft.canary,
        outcome=outcome,
    )


@dataclass
class _Draft:
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


def _leave(draft: _Draft, instance: Instance) -> None:
    """The next step out, draining -> withdrawn -> stopping -> gone, each once the one before is acknowledged."""
    if instance.state is State.DRAINING:
        _leave_drain(draft, instance)
    elif instance.state is State.WITHDRAWN:
        waiting_for = _behind(draft, instance)
        if waiting_for and not (instance.endpoint_revision and draft.overdue(instance.since, ACKNOWLEDGE)):
            draft.later(because("awaiting_edges", edges=waiting_for), ACKNOWLEDGE, instance.since)
        elif instance.process in (Process.RUNNING, Process.RESTARTING, Process.PAUSED):
            draft.stop.append(instance)
        else:
            draft.remove.append(instance)
    else:
        ended = instance.process in (Process.EXITED, Process.MISSING)
        timeout = draft.app.release.spec.update.stop_timeout
        if ended or draft.overdue(instance.since, timeout):
            draft.remove.append(instance)
        else:
            draft.later(because("awaiting_stop"), timeout, instance.since)


def _leave_drain(draft: _Draft, instance: Instance) -> None:
    drain = draft.app.release.spec.update.drain
    if instance.process in (Process.EXITED, Process.MISSING):
        draft.moves.append(Move(instance, State.WITHDRAWN, _ended(instance)))
    elif draft.overdue(instance.since, drain):
        draft.moves.append(Move(instance, State.WITHDRAWN, because("drain_expired", seconds=drain)))
    elif _behind(draft, instance) or any(probe.sessions for probe in instance.probes):
        draft.later(because("awaiting_drain"), drain, instance.since)
    else:
        draft.moves.append(Move(instance, State.WITHDRAWN, because("drained")))


def _ended(instance: Instance) -> Reason:
    if instance.oom_killed and instance.exit_code:
        return because("out_of_memory", limit=amount("memory", instance.claim.memory), code=instance.exit_code)
    return because("exited", code=instance.exit_code)


def _behind(draft: _Draft, instance: Instance) -> str:
    """Who has yet to apply what etcd says of a leaving instance; empty when everyone has.

    No live edge at all is no consent either: a proxy may well serve on while its agent is away.
    """
    if instance.endpoint_revision is None:
        return "etcd"
    if not draft.app.edges:
        return "an edge to come back"
    return ", ".join(edge.name for edge in draft.app.edges if edge.applied < instance.endpoint_revision)


def _judge(draft: _Draft, instance: Instance) -> None:
    """One instance that is not on its way out: its process first, then what its state wants."""
    if instance.state is State.ASSIGNED:
        draft.launch.append(instance)
        draft.staying.append(instance)
    elif instance.process is Process.MISSING:
        draft.retire(instance, because("missing"))
    elif instance.process is Process.PAUSED:
        draft.retire(instance, because("drifted", difference="paused"))
    elif instance.process is Process.EXITED:
        draft.give_up(instance, _ended(instance))
    else:
        _judge_health(draft, instance)


def _judge_health(draft: _Draft, instance: Instance) -> None:
    """One instance whose container runs: on by its health, or given up past the grace or the patience it is due."""
    check = draft.app.release.spec.health
    patience = check.failures * check.interval  # out of the rotation for as long again as it took to get there
    health = judge(instance, draft.app.edges)
    started = instance.started_at or instance.since
    down = because("probe_down", verdict=health.detail)
    if health.verdict is Verdict.UP:
        if instance.state is not State.HEALTHY:
            instance = draft.move(instance, State.HEALTHY, because("probe_up"))
    elif instance.state is State.STARTED:
        if draft.app.edges and draft.overdue(started, check.grace):
            draft.give_up(instance, because("never_healthy", grace=check.grace, verdict=health.detail))
            return
        draft.later(because("awaiting_health"), check.grace, started)
    elif health.verdict is Verdict.DOWN and instance.state is State.HEALTHY:
        instance = draft.move(instance, State.UNHEALTHY, down)
        draft.later(down, patience)
    elif instance.state is State.UNHEALTHY:
        if health.verdict is Verdict.DOWN and draft.overdue(instance.since, patience):
            seconds = round((draft.now - instance.since).total_seconds())
            draft.give_up(instance, because("unhealthy", seconds=seconds, verdict=health.detail))
            return
        draft.later(down, patience, instance.since)
    draft.staying.append(instance)


def _make_room(draft: _Draft) -> None:
    """Let go of what was displaced by another app; the last healthy instance waits for another one."""
    healthy = sum(stays.state is State.HEALTHY for stays in draft.staying)
    for instance in [stays for stays in draft.staying if stays.relocate is Relocate.PREEMPTED]:
        if instance.state is State.HEALTHY:
            if healthy < 2:
                draft.later(because("awaiting_another"), apart=True)
                continue
            healthy -= 1
        draft.retire(instance, _why_elsewhere(instance))


def _on_trial(app: AppState) -> bool:
    """Whether the wanted release has yet to show that it serves."""
    return app.operation is not None and (app.last_good is None or app.last_good.template != app.release.template)


def _ready(draft: _Draft, instance: Instance) -> bool:
    """Whether an instance is healthy, and one of a release on trial for as long as that takes."""
    tried = instance.template == draft.app.release.template and _on_trial(draft.app)
    proven = not tried or draft.overdue(instance.since, draft.app.release.spec.update.min_ready)
    return instance.state is State.HEALTHY and proven


def _scale(draft: _Draft) -> None:
    """Compare the instances that stay with the slots that are wanted: first who goes, then who is made."""
    for instance in draft.staying:
        if instance.state is State.HEALTHY and not _ready(draft, instance):
            seconds = draft.app.release.spec.update.min_ready
            draft.later(because("awaiting_ready", seconds=seconds), seconds, instance.since)
    holders, unwanted = _sort_out(draft)
    strategy = draft.app.release.spec.update.strategy
    if strategy is Strategy.RECREATE:
        _recreate(draft, holders, unwanted)
    elif canary.tries_out(draft.app):
        _try_out(draft, holders, unwanted)
    elif strategy in (Strategy.BLUE_GREEN, Strategy.CANARY):
        _switch(draft, holders, unwanted)
    else:
        _roll(draft, holders, unwanted)


def _recreate(draft: _Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Whatever is unwanted goes at once; a slot gets its next instance when the one before is gone.

    What merely shall run elsewhere goes a few at a time: as many as may be unavailable, and at least one.
    """
    spec = draft.app.release.spec
    floor = spec.replicas - max(1, spec.update.max_unavailable)
    budget = sum(holder.state is State.HEALTHY for holder in holders.values()) - floor
    budget += sum(_moves(draft, instance) and instance.state is State.HEALTHY for instance in unwanted)
    for instance in unwanted:
        if _moves(draft, instance) and instance.state is State.HEALTHY:
            if budget <= 0:
                draft.later(because("awaiting_health"), apart=True)
                continue
            budget -= 1
        draft.retire(instance, _why_unwanted(draft.app, instance))
    occupied = {instance.slot for instance in draft.app.instances} - holders.keys()
    if occupied:
        draft.later(because("awaiting_removal"))
    _fill(draft, holders, 0, without=occupied)


def _switch(draft: _Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Make all new instances beside those that have the traffic, give it to them at once, and retire the old later."""
    app, spec = draft.app, draft.app.release.spec
    active = active_template(app)
    if active in ("", app.release.template):
        standby = [instance for instance in unwanted if _stands_by(draft, instance)]
        if standby:
            draft.later(because("standing_by"), spec.update.keep, app.active_since, apart=True)
        trial = spec.update.min_ready
        if active and _on_trial(app) and app.active_since and not draft.overdue(app.active_since, trial):
            draft.later(because("awaiting_ready", seconds=trial), trial, app.active_since)
        draft.staying = [instance for instance in draft.staying if instance not in standby]
        _roll(draft, holders, [instance for instance in unwanted if instance not in standby])
        return
    for instance in unwanted:
        if instance.template != active:  # of a release in between, which never had the traffic
            draft.retire(instance, _why_unwanted(app, instance))
    if sum(holder.state is State.HEALTHY for holder in holders.values()) == spec.replicas:
        draft.switch = True
    else:
        draft.later(because("awaiting_switch"))
        _fill(draft, holders, len(draft.staying) - len(holders))


def _try_out(draft: _Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Keep the stable release whole, and make as many instances of the wanted one as its share of the traffic needs."""
    app = draft.app
    stable = app.last_good
    assert stable is not None  # noqa: S101 - `canary.tries_out`
    for instance in unwanted:
        if instance.template != stable.template:  # of a release in between
            draft.retire(instance, _why_unwanted(app, instance))
    _keep_whole(draft, stable)
    if app.operation is None:  # it was given up, and left as it is: without a request
        draft.later(because("canary_off"), apart=True)
        return
    ready = sum(_ready(draft, holder) for holder in holders.values())
    decided = canary.decide(app, ready, draft.now)
    draft.canary, draft.switch, draft.halt = decided.canary, decided.switch, decided.halt
    if decided.wait is not None:
        draft.wait.append(Wait(decided.wait, decided.until))
    surge = len(draft.staying) - len(holders)
    _fill(draft, holders, surge, without=range(decided.instances, app.release.spec.replicas))


def _keep_whole(draft: _Draft, stable: Release) -> None:
    """Make an instance for every slot of the stable release that has none, or one that shall run elsewhere."""
    of_it = [stays for stays in draft.staying if stays.template == stable.template]
    there = {stays.slot: stays for stays in of_it if not stays.relocate}
    for instance in of_it:
        successor = there.get(instance.slot)
        if instance.relocate and successor is not None and successor.state is State.HEALTHY:
            draft.retire(instance, _why_elsewhere(instance))
    for slot in sorted(set(range(stable.spec.replicas)) - there.keys()):
        failures = draft.app.stable_failures.get(slot)
        if failures and not draft.overdue(failures.ended_at, backoff(failures.count)):
            draft.back_off(failures)
            continue
        reason = because("slot_empty", slot=slot)
        if failures:
            reason = because("replaces_failed", generation=failures.generation, slot=slot)
        generation = draft.app.next_generation + len(draft.create)
        draft.create.append(Create(slot, generation, failures.count if failures else 0, reason, stable=True))


def _stands_by(draft: _Draft, instance: Instance) -> bool:
    """Whether an instance of the release before is to be kept for a while after the traffic has moved."""
    app = draft.app
    if app.active_since is None or draft.overdue(app.active_since, app.release.spec.update.keep):
        return False
    as_before = instance.template != app.release.template and not instance.drift and not instance.relocate
    return as_before and instance.state is State.HEALTHY


def active_template(app: AppState) -> str:
    """The template that has the traffic; empty when no instance of it is left, so that whatever is there serves."""
    return app.active if any(i.template == app.active and not i.state.going for i in app.instances) else ""


def _roll(draft: _Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    spec = draft.app.release.spec
    floor = max(1, spec.replicas - spec.update.max_unavailable)
    budget = sum(_surely_serves(draft, stays) and _ready(draft, stays) for stays in draft.staying) - floor
    # with none to spare and no surge nothing could ever move, so one is allowed then
    surge = max(spec.update.max_surge, 1 if floor >= spec.replicas else 0)
    served = {slot for slot, holder in holders.items() if holder.state is State.HEALTHY}
    for instance in _retirement_order(draft, holders, unwanted):
        # nothing is wrong with what shall run elsewhere: where it can, it stays until its successor serves
        stays = surge > 0 and _moves(draft, instance) and instance.slot not in served
        if instance.state in (State.ASSIGNED, State.STARTED):
            draft.retire(instance, _why_unwanted(draft.app, instance))
        elif instance.state is State.HEALTHY and budget >= _surely_serves(draft, instance) and not stays:
            budget -= _surely_serves(draft, instance)
            draft.retire(instance, _why_unwanted(draft.app, instance))
        else:  # the last that serve wait for successors; one that is out of the rotation may come back till then
            draft.later(because("awaiting_surge"), apart=_moves(draft, instance))
    _fill(draft, holders, surge)


def _surely_serves(draft: _Draft, instance: Instance) -> bool:
    """Whether a healthy instance is seen to be so; one whose engine and edges are silent may be gone with its node."""
    seen = instance.process is Process.RUNNING or judge(instance, draft.app.edges).verdict is Verdict.UP
    return instance.state is State.HEALTHY and seen


def _fill(draft: _Draft, holders: dict[int, Instance], surge: int, without: Collection[int] = ()) -> None:
    """Make an instance for every slot without one, empty slots first, as far as surge and back-off allow.

    No instance is made for the slots in `without`.
    """
    app, spec = draft.app, draft.app.release.spec
    room = spec.replicas + surge - len(draft.staying)
    taken = {stays.slot for stays in draft.staying}
    empty = set(range(spec.replicas)) - holders.keys() - set(without)
    for slot in sorted(empty, key=lambda slot: (slot in taken, slot)):
        failures = draft.failures.get(slot)
        if failures and not draft.overdue(failures.ended_at, backoff(failures.count)):
            draft.back_off(failures)
        elif room <= 0:
            draft.later(because("awaiting_surge"))
        else:
            room -= 1
            moved = next((i for i in draft.staying if i.slot == slot and _moves(draft, i)), None)
            if failures:
                reason = because("replaces_failed", generation=failures.generation, slot=slot)
            elif moved:
                reason = because("relocated", slot=slot, node=moved.node)
            elif slot in taken:
                reason = because("release_wanted", release=app.release.number, slot=slot)
            else:
                reason = because("slot_empty", slot=slot)
            generation = app.next_generation + len(draft.create)
            draft.create.append(Create(slot, generation, failures.count if failures else 0, reason))


def _sort_out(draft: _Draft) -> tuple[dict[int, Instance], list[Instance]]:
    """Who holds a wanted slot as wanted, and who is of another template, was changed, or is one too many."""
    app = draft.app
    holders: dict[int, Instance] = {}
    unwanted: list[Instance] = []
    for instance in sorted(draft.staying, key=lambda i: (i.state is not State.HEALTHY, i.generation)):
        as_made = instance.template == app.release.template and not instance.drift and not instance.relocate
        if as_made and instance.slot < app.release.spec.replicas and instance.slot not in holders:
            holders[instance.slot] = instance
        else:
            unwanted.append(instance)
    return holders, unwanted


def _retirement_order(draft: _Draft, holders: dict[int, Instance], unwanted: Iterable[Instance]) -> list[Instance]:
    """Those beyond the wanted slots first, then those whose slot is served by a successor, then the rest."""
    served = {slot for slot, holder in holders.items() if holder.state is State.HEALTHY}
    replicas = draft.app.release.spec.replicas
    return sorted(unwanted, key=lambda i: (i.slot < replicas, i.slot not in served, i.slot, i.generation))


def _why_unwanted(app: AppState, instance: Instance) -> Reason:
    if instance.drift:
        return because("drifted", difference=instance.drift)
    if instance.slot >= app.release.spec.replicas:
        return because("scaled_down", replicas=app.release.spec.replicas, slot=instance.slot)
    if instance.relocate and instance.template == app.release.template:
        return _why_elsewhere(instance)
    if instance.state is State.HEALTHY:
        return because("release_replaced", release=app.release.number)
    return because("superseded", release=instance.release)


def _moves(draft: _Draft, instance: Instance) -> bool:
    """Whether an instance is as wanted but for where it runs."""
    release = draft.app.release
    as_made = instance.template == release.template and not instance.drift and instance.slot < release.spec.replicas
    return as_made and instance.relocate is not None


def _why_elsewhere(instance: Instance) -> Reason:
    codes = {Relocate.DRAIN: "node_drained", Relocate.REBALANCE: "rebalanced", Relocate.PREEMPTED: "displaced"}
    return because(codes[instance.relocate or Relocate.DRAIN], node=instance.node)


def _conclude(draft: _Draft) -> Outcome | None:
    """Whether the operation under way has come to its end."""
    app, operation = draft.app, draft.app.operation
    if operation is None:
        return None
    if not app.running or app.deleting:
        return None if app.instances else Outcome(OperationStatus.SUCCEEDED, because("converged"))
    policy = app.release.spec.update
    can_return = app.last_good is not None and app.last_good.number != app.release.number
    returns = policy.on_failure is OnFailure.ROLLBACK and can_return and operation.kind is not OperationKind.RESTART
    status = OperationStatus.ROLLED_BACK if returns else OperationStatus.FAILED
    if (crashed := _crashed(draft)) is not None:
        return Outcome(status, because("kept_crashing", crashes=crashed.crashes), "health", crashed.generation)
    if draft.halt is not None:
        tried = [i.generation for i in draft.staying if i.template == app.release.template]
        return Outcome(status, draft.halt, "canary", max(tried, default=None))
    acts = draft.moves or draft.create or draft.launch or draft.stop or draft.remove or draft.switch
    busy = acts or any(not wait.apart for wait in draft.wait)
    if not busy:
        return Outcome(OperationStatus.SUCCEEDED, because("converged"))
    worst = max(draft.failures.items(), key=lambda item: item[1].count, default=None)
    if worst and worst[1].count >= ATTEMPTS:
        slot, last = worst
        reason = because("kept_failing", slot=slot, failures=last.count, verdict=str(last.reason))
        step = "start" if last.reason.code == "start_failed" else "health"
        return Outcome(status, reason, step, last.generation)
    if app.pending:  # it waits for room, which no deadline makes
        return None
    lagging = [i for i in draft.staying if i.state is not State.HEALTHY]
    if draft.canary is not None:  # it is tried for as long as its steps say, once its instances have been healthy
        lagging = [i for i in lagging if i.template == app.release.template and i.healthy_at is None]
        if not lagging:
            return None
    # time that was spent waiting for room does not count: it is counted from the last instance that was placed
    placed = (i.created_at for i in app.instances if i.created_at and i.template == app.release.template)
    since = max((operation.started_at, *placed, *([app.active_since] if app.active_since else [])))
    if not draft.overdue(since, policy.deadline):
        draft.later(because("awaiting_health"), policy.deadline, since)
        return None
    verdict = judge(lagging[-1], app.edges).detail if lagging else str(draft.wait[0].reason if draft.wait else "")
    reason = because("deadline", seconds=policy.deadline, verdict=verdict)
    return Outcome(status, reason, "health", lagging[-1].generation if lagging else None)


def _crashed(draft: _Draft) -> Instance | None:
    """An instance of a release on trial that crashes again and again, and is brought back each time by its engine."""
    app = draft.app
    made_for_it = [i for i in draft.staying if i.template == app.release.template and i.release == app.release.number]
    worst = max(made_for_it, key=lambda i: i.crashes, default=None)
    return worst if worst is not None and worst.crashes >= ATTEMPTS and _on_trial(app) else None
