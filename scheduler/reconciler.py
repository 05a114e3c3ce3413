"""The loop for one app: read, decide, commit, act, publish. One pass, one screen.

A pass makes no assumption about the pass before it. It may die between any two of its steps; whatever it has done by
then is either recorded or found again by name, and the next pass goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from scheduler import discovery, effects, measuring, progress, relocation, wake
from scheduler.diff import Create, Plan, diff
from scheduler.etcd import EtcdUnavailable
from scheduler.model import AppState, Edge, Instance, OperationStatus, Probe
from scheduler.placement import Profile, Request
from scheduler.reasons import because, restored
from scheduler.store import committing, images, outcome, reading, recording, relocating, runner, sweeping
from scheduler.world import World

PARALLEL = 6  # engine calls at once; more gain nothing and starve other apps
CLAIM_ATTEMPTS = 3
PASSES = 50  # that make progress in one run, before others get their turn
REST = 2.0  # times as long as a look took is waited for results before the next, while engines are at work
LONGEST_REST = 1.0  # seconds
RETRY = 2.0  # seconds, when an engine or etcd did not answer

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pass:
    """What one pass left behind. `busy`: something changed, so look again at once; `due`: look again then."""

    busy: bool = False
    due: datetime | None = None
    published: bool = True  # etcd says what the database says
    room: bool = False  # it gave capacity back
    trouble: set[str] = field(default_factory=set)  # nodes whose engine did not answer
    unreached: set[int] = field(default_factory=set)  # instances that it was to do something for

    def retry(self, now: datetime) -> None:
        soon = now + timedelta(seconds=RETRY)
        self.due = min(self.due, soon) if self.due else soon


def reconcile(app_id: int, world: World) -> None:
    """Run passes until nothing is left to do but wait, unless someone else is at it."""
    with runner.run(app_id) as held:
        if held is None:
            return
        for _ in range(PASSES):
            done = one_pass(app_id, world)
            if not done.busy and held.finish():
                break
        else:
            done.retry(world.now())
    for node in done.trouble:
        wake.check_node(node)
    if done.due is not None:
        wake.reconcile(app_id, after=max(0.0, (done.due - world.now()).total_seconds()))


def one_pass(app_id: int, world: World) -> Pass:
    """Read, decide, commit, publish and begin what engines have to do; again after each thing that they have done.

    Ends when no engine is at work for the app any more, so nothing has to wait for the slowest of several calls.
    """
    done = Pass()
    with _Calls(world) as calls:
        while True:
            began = time.monotonic()
            app = _read(app_id, world)
            if app is None:
                return done
            plan = diff(app, world.now())
            shifts = plan.canary != app.canary
            done.busy, done.due = bool(plan.moves or plan.switch or plan.outcome or shifts), plan.due
            committing.moves(app, plan.moves, world.now())
            if plan.switch:
                committing.switch(app, world.now())
            if shifts:
                committing.canary(app, plan.canary)
            explanation = _place(app, plan, world, done)
            news = _publish(app, world, done)  # before anything slow: what leaves has to leave the edges first
            if news and plan.outcome and plan.outcome.status is OperationStatus.SUCCEEDED:
                plan = replace(plan, outcome=None)  # not before the edges serve what they have just been told
            calls.begin(app, plan, done)
            calls.hear_witnesses(app, done)
            _report(app, plan, explanation, world, done)
            if not calls.under_way:
                break
            calls.take_results(app, done, rest=min(REST * (time.monotonic() - began), LONGEST_REST))
    if done.unreached:
        done.retry(world.now())
    return done


def _read(app_id: int, world: World) -> AppState | None:
    """Desired and recorded from the database; what the edges see from etcd, or nothing when it is away."""
    names = reading.names(app_id)
    if names is None:
        return None
    edges: list[Edge] = []
    seen: dict[str, list[Probe]] = {}
    try:
        edges = discovery.read_edges(world.etcd)
        for report in discovery.read_reports(world.etcd, *names, edges).values():
            for name, probe in report.probes.items():
                seen.setdefault(name, []).append(probe)
        recording.probes(app_id, seen)
    except EtcdUnavailable as error:
        log.warning("etcd_unavailable", app=app_id, error=str(error))
    app = reading.app_state(app_id, edges, seen)
    return replace(app, measured=measuring.measured(app, world)) if app is not None else None


def _place(app: AppState, plan: Plan, world: World, done: Pass) -> dict[str, Any] | None:
    """Find nodes for what is to be made and claim them. Returns why some found none."""
    if not plan.create:
        if app.nominated:
            relocating.placed(app.id)
        return None
    explanation = None
    stable = [create for create in plan.create if create.stable]
    if stable and app.last_good is not None:
        of = replace(app, release=app.last_good, failures=app.stable_failures)
        explanation = _place_some(of, stable, world, done)
    wanted = [create for create in plan.create if not create.stable]
    return (_place_some(app, wanted, world, done) if wanted else None) or explanation


def _place_some(app: AppState, creates: Sequence[Create], world: World, done: Pass) -> dict[str, Any] | None:
    """Those that are of one release, `app`'s."""
    spec, now = app.release.spec, world.now()
    request = reading.replacing(app, [create.slot for create in creates])
    profile = reading.profile(app.group)
    for _ in range(CLAIM_ATTEMPTS):
        decision = world.cluster.place(request, profile)
        made = [committing.Assignment(c, n) for c, n in zip(creates, decision.nodes, strict=False)]
        try:
            if made:
                committing.assignments(app, made, spec.resources, now)
        except committing.ClaimLost:
            continue  # someone was faster: place again with what is left
        except committing.NoAddress as error:
            return {"summary": error.reason.as_dict()}
        done.busy |= bool(made)
        if made and app.nominated:
            relocating.placed(app.id)  # what it still lacks is asked for anew
        if len(made) == len(creates):
            return None
        explanation = decision.explanation.as_dict()
        if not made and (node := _make_room(app, request, profile, world, done)):
            why = because("making_room", explanation=decision.explanation.summary(), node=node)
            explanation["summary"] = why.as_dict()
        return explanation
    done.retry(now)
    return None


def _make_room(app: AppState, request: Request, profile: Profile, world: World, done: Pass) -> str:
    """Have what matters less leave a node for it; returns which, if any."""
    room = relocation.make_room(app, request, profile, world)
    done.busy |= room.again
    if room.due is not None:
        done.due = min(done.due, room.due) if done.due else room.due
    return room.node


class _Calls:
    """The engine calls that are under way for an app, a few at a time and one for each instance at most."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="engine")
        self._calls: dict[Future[Any], tuple[Instance, Callable[..., None]]] = {}
        self._without: set[int] = set()  # ids of instances for which nothing is begun

    def __enter__(self) -> _Calls:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def under_way(self) -> bool:
        return bool(self._calls)

    def begin(self, app: AppState, plan: Plan, done: Pass) -> None:
        """Have the engines do what the plan wants of them, unless they are at it or have not answered in this pass."""
        name = partial(reading.container_name, app)
        self._without = done.unreached | {instance.id for instance, _ in self._calls.values()}
        if plan.launch or plan.create:
            network = reading.network_spec(app.group)
            for instance, spec in reading.launches(app):
                self._call(effects.launch, instance, _launched, spec, network)
        for instance in plan.stop:
            self._call(effects.stop, instance, _stopped, name(instance))
        for instance in plan.remove:
            self._call(effects.remove, instance, _removed, name(instance))
        for instance in _witnesses(app, plan):
            self._call(effects.last_lines, instance, _told, name(instance))

    def hear_witnesses(self, app: AppState, done: Pass) -> None:
        """Wait for last words, which are evidence for what is reported next."""
        while words := {call for call, (_, record) in self._calls.items() if record is _told}:
            wait(words, return_when=FIRST_COMPLETED)
            self._record(app, done)

    def take_results(self, app: AppState, done: Pass, rest: float) -> None:
        """Wait until a call has ended, and for others as long as `rest` seconds; record all that have."""
        wait(self._calls, rest)
        wait(self._calls, return_when=FIRST_COMPLETED)
        self._record(app, done)

    def _call(self, effect: Callable[..., Any], instance: Instance, record: Callable[..., None], *args: Any) -> None:
        if instance.id in self._without:
            return
        self._calls[self._pool.submit(effect, self._world.engine(instance.node), *args)] = instance, record

    def _record(self, app: AppState, done: Pass) -> None:
        for call in [call for call in self._calls if call.done()]:
            instance, record = self._calls.pop(call)
            record(app, instance, call.result(), self._world, done)


def _launched(
    app: AppState, instance: Instance, result: effects.Launched | effects.LaunchFailed, world: World, done: Pass
) -> None:
    if isinstance(result, effects.Launched):
        recording.started(instance.id, result.container, world.now())
        if result.images is not None:
            images.record(instance.node, result.images)
    elif result.temporary:
        _trouble(instance, done)
        return
    else:
        reason = because("start_failed", error=result.error)
        if result.address_taken:
            reason = because("address_taken", address=instance.address)
        failed = not (result.address_taken or result.subnet_taken)
        recording.start_failed(instance.id, reason, world.now(), failed=failed)
        if result.subnet_taken:
            recording.subnet_taken(app.group)


def _stopped(app: AppState, instance: Instance, reached: bool, world: World, done: Pass) -> None:
    if not reached:
        _trouble(instance, done)
        return
    recording.stop_sent(instance.id, world.now())


def _removed(app: AppState, instance: Instance, reached: bool, world: World, done: Pass) -> None:
    if not reached:
        _trouble(instance, done)
        return
    recording.gone(instance.id, world.now())
    done.room = True


def _told(app: AppState, instance: Instance, lines: str, world: World, done: Pass) -> None:
    recording.log_tail(instance.id, lines)


def _trouble(instance: Instance, done: Pass) -> None:
    done.trouble.add(instance.node)
    done.unreached.add(instance.id)


def _witnesses(app: AppState, plan: Plan) -> list[Instance]:
    """Instances whose last words are evidence: those that failed, and the one that an operation fails by."""
    failed = {move.instance.generation for move in plan.moves if move.failed}
    if plan.outcome and plan.outcome.generation is not None:
        failed.add(plan.outcome.generation)
    return [instance for instance in app.instances if instance.generation in failed]


def _publish(app: AppState, world: World, done: Pass) -> bool:
    """Make etcd say what the database says of this app, and note from which revision on it does.

    Returns whether the edges may have yet to hear of it.
    """
    config, endpoints, leaving = reading.published(app.id)
    try:
        revision = discovery.publish(world.etcd, app.group, app.name, config, endpoints)
    except EtcdUnavailable as error:
        log.warning("publish_failed", app=app.id, error=str(error))
        done.published = False
        done.retry(world.now())
        return True
    done.published = True
    if config is not None and config.canary is not None:
        recording.weight_published(app.id, config.canary.weight, revision)
    if leaving:
        recording.leaving_published(leaving, revision)
    if config is None:
        return False
    return recording.published(app.id, discovery.digest(config, endpoints), revision, world.now())


def _report(app: AppState, plan: Plan, explanation: dict[str, Any] | None, world: World, done: Pass) -> None:
    """Tell people how it stands; end what has come to its end."""
    if app.deleting and not app.instances and not done.published:
        done.busy = False
        return  # its keys are still there, and etcd is away: `_publish` has set when to look again
    now = world.now()
    word, reason = progress.status(app, plan)
    waits = next((wait.reason for wait in plan.wait if not wait.apart), None)
    if explanation is not None:
        reason = waits = because("awaiting_placement", explanation=restored(explanation["summary"]))
        if not app.pending:
            done.retry(now)  # once more, for room that came before anyone could know that it is waited for
    settled = plan.idle and not plan.wait
    outcome.status(app, word, reason, settled=settled, explanation=explanation)
    outcome.progress(app, progress.steps(app), waits, explanation, now)
    if app.deleting and not app.instances:
        outcome.forget(app, plan.outcome, now)
        done.busy = False
    elif plan.outcome:
        outcome.end(app, plan.outcome, now)
    if done.room:
        done.room = False
        for waiting in sweeping.pending():
            wake.reconcile(waiting)
        if relocating.drains():
            wake.relocate()
