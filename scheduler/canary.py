"""A release that is tried on a part of the traffic: how large a part, and whether it goes on. Pure.

Each step of the policy gives it a share of the traffic, once there are instances enough for that share and every live
edge has applied it; one that lags behind the others is waited for a while. A step is over when its time is, or when
somebody promotes the release to a later one; after the last there are as many instances as the app wants, and the
traffic moves to them at once. All the while what the edges have measured since the share was applied is held against
the limits: one that is broken ends it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.model import AppState, Canary, CanaryPolicy, OperationKind, Strategy
from scheduler.reasons import Reason, because
from scheduler.traffic.figures import Figures

SLOW = 0.95  # the share of the answers whose latency is judged


@dataclass(frozen=True, slots=True)
class Decision:
    """`canary`: how far it is from now on; None once `switch` says that it gets all of the traffic."""

    canary: Canary | None
    instances: int  # how many of the new release there are to be
    switch: bool = False
    halt: Reason | None = None
    wait: Reason | None = None
    until: datetime | None = None  # when to look again at the latest


def tries_out(app: AppState) -> bool:
    """Whether the wanted release is to be tried on a part of the traffic; whoever goes back wants all of it at once."""
    stable = app.last_good
    if app.release.spec.update.strategy is not Strategy.CANARY or stable is None:
        return False
    back = app.operation is not None and app.operation.kind is OperationKind.ROLLBACK
    return app.active == stable.template != app.release.template and not back


def decide(app: AppState, ready: int, now: datetime) -> Decision:
    """The next thing to do for it; `ready` of its instances can serve."""
    policy = app.release.spec.update.canary
    canary = app.canary
    if canary is None or canary.release != app.release.number:
        canary = Canary(app.release.number)
    last = len(policy.steps)
    canary = replace(canary, step=min(last, max(canary.step, app.promoted)))
    weight = policy.steps[min(canary.step, last - 1)].weight
    instances = instances_for(app.release.spec.replicas, 100 if canary.step == last else weight)
    if canary.since is not None and app.measured is not None and app.promoted < last:
        broken = limit_broken(policy, *app.measured)
        if broken is not None:
            return Decision(canary, instances, halt=broken)
    if ready < instances:
        return Decision(canary, instances, wait=because("canary_instances", instances=instances, weight=weight))
    if canary.step == last:
        return Decision(None, instances, switch=True)
    if canary.weight != weight or app.canary is None or app.canary.release != canary.release:
        waits = because("canary_edges", edges="etcd", weight=weight)
        return Decision(Canary(canary.release, canary.step, weight), instances, wait=waits)
    if canary.since is None:
        behind = app.behind(canary.revision)
        until = app.patience(canary.revision)
        if behind and (until is None or now < until):
            waits = because("canary_edges", edges=behind, weight=weight)
            return Decision(canary, instances, wait=waits, until=until)
        canary = replace(canary, since=now)
    return _hold(app, policy, canary, instances, now)


def _hold(app: AppState, policy: CanaryPolicy, canary: Canary, instances: int, now: datetime) -> Decision:
    """A step whose share is applied: on to the next one when it is over."""
    step = policy.steps[canary.step]
    if step.duration is None:
        return Decision(canary, instances, wait=because("canary_held", weight=step.weight))
    assert canary.since is not None  # noqa: S101 - it is applied
    ends = canary.since + timedelta(seconds=step.duration)
    if now < ends:
        return Decision(canary, instances, wait=because("canary_step", weight=step.weight), until=ends)
    if policy.judged and app.measured is None:
        return Decision(canary, instances, wait=because("canary_blind"))
    requests = app.measured[0].requests if app.measured is not None else 0
    if policy.judged and requests < policy.requests:
        waits = because("canary_unjudged", requests=requests, wanted=policy.requests)
        return Decision(canary, instances, wait=waits)
    after = replace(canary, step=canary.step + 1)
    return Decision(after, instances, wait=because("canary_step", weight=step.weight))


def instances_for(replicas: int, weight: int) -> int:
    """How many instances serve this share, in percent, of what `replicas` instances serve; one at least."""
    return max(1, -(-replicas * weight // 100))


def limit_broken(policy: CanaryPolicy, canary: Figures, stable: Figures) -> Reason | None:
    """The first limit that is broken; None: all are kept, or there were too few requests to tell.

    A limit that is about the stable release counts once that one has answered as many requests as well.
    """
    if not canary.requests or canary.requests < policy.requests:
        return None
    compared = stable.requests >= max(1, policy.requests)
    percent, usual = _percent(canary), _percent(stable)
    about = {"requests": canary.requests, "percent": round(percent, 2)}
    if policy.errors is not None and percent > policy.errors:
        return because("canary_errors", limit=policy.errors, **about)
    if policy.errors_over is not None and compared and percent > usual + policy.errors_over:
        return because("canary_errors_over", stable=round(usual, 2), **about)
    latency, usually = canary.quantile(SLOW), stable.quantile(SLOW)
    if latency is None:
        return None
    took = {"requests": canary.requests, "seconds": round(latency, 3)}
    if policy.latency is not None and latency > policy.latency:
        return because("canary_latency", limit=policy.latency, **took)
    if policy.latency_over is None or not compared or usually is None:
        return None
    if latency > usually * policy.latency_over:
        return because("canary_latency_over", stable=round(usually, 3), **took)
    return None


def _percent(figures: Figures) -> float:
    """Of the requests, those that failed."""
    return 100.0 * figures.errors / figures.requests if figures.requests else 0.0
