"""A canary: the stable release is kept whole while the wanted one is tried on a part of the traffic."""

from __future__ import annotations

from scheduler import canary
from scheduler.diff.draft import Draft, backoff, ready
from scheduler.diff.plan import Create, Wait
from scheduler.diff.slots import fill, why_elsewhere, why_unwanted
from scheduler.lifecycle import State
from scheduler.model import Instance, Release
from scheduler.reasons import because


def try_out(draft: Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Keep the stable release whole, and make as many instances of the wanted one as its share of the traffic needs."""
    app = draft.app
    stable = app.last_good
    assert stable is not None  # noqa: S101 - `canary.tries_out`
    for instance in unwanted:
        if instance.template != stable.template:  # of a release in between
            draft.retire(instance, why_unwanted(app, instance))
    _keep_whole(draft, stable)
    if app.operation is None:  # it was given up, and left as it is: without a request
        draft.later(because("canary_off"), apart=True)
        return
    healthy = sum(ready(draft, holder) for holder in holders.values())
    decided = canary.decide(app, healthy, draft.now)
    draft.canary, draft.switch, draft.halt = decided.canary, decided.switch, decided.halt
    if decided.wait is not None:
        draft.wait.append(Wait(decided.wait, decided.until))
    surge = len(draft.staying) - len(holders)
    fill(draft, holders, surge, without=range(decided.instances, app.release.spec.replicas))


def _keep_whole(draft: Draft, stable: Release) -> None:
    """Make an instance for every slot of the stable release that has none, or one that shall run elsewhere."""
    of_it = [stays for stays in draft.staying if stays.template == stable.template]
    there = {stays.slot: stays for stays in of_it if not stays.relocate}
    for instance in of_it:
        successor = there.get(instance.slot)
        if instance.relocate and successor is not None and successor.state is State.HEALTHY:
            draft.retire(instance, why_elsewhere(instance))
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
