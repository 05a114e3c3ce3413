"""How new instances take the place of old ones: rolling, recreate and blue-green, and who makes room first."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler import canary
from scheduler.diff.draft import Draft, active_template, on_trial, ready
from scheduler.diff.slots import fill, only_moves, sort_out, why_elsewhere, why_unwanted
from scheduler.diff.trial import try_out
from scheduler.health import Verdict, judge
from scheduler.lifecycle import State
from scheduler.model import Instance, Process, Relocate, Strategy
from scheduler.reasons import because


def make_room(draft: Draft) -> None:
    """Let go of what was displaced by another app; the last healthy instance waits for another one."""
    healthy = sum(stays.state is State.HEALTHY for stays in draft.staying)
    for instance in [stays for stays in draft.staying if stays.relocate is Relocate.PREEMPTED]:
        if instance.state is State.HEALTHY:
            if healthy < 2:
                draft.later(because("awaiting_another"), apart=True)
                continue
            healthy -= 1
        draft.retire(instance, why_elsewhere(instance))


def scale(draft: Draft) -> None:
    """Compare the instances that stay with the slots that are wanted: first who goes, then who is made."""
    for instance in draft.staying:
        if instance.state is State.HEALTHY and not ready(draft, instance):
            seconds = draft.app.release.spec.update.min_ready
            draft.later(because("awaiting_ready", seconds=seconds), seconds, instance.since)
    holders, unwanted = sort_out(draft)
    strategy = draft.app.release.spec.update.strategy
    if strategy is Strategy.RECREATE:
        recreate(draft, holders, unwanted)
    elif canary.tries_out(draft.app):
        try_out(draft, holders, unwanted)
    elif strategy.switches:
        switch(draft, holders, unwanted)
    else:
        roll(draft, holders, unwanted)


def recreate(draft: Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Whatever is unwanted goes at once; a slot gets its next instance when the one before is gone.

    What merely shall run elsewhere goes a few at a time: as many as may be unavailable, and at least one.
    """
    spec = draft.app.release.spec
    floor = spec.replicas - max(1, spec.update.max_unavailable)
    budget = sum(holder.state is State.HEALTHY for holder in holders.values()) - floor
    budget += sum(only_moves(draft, instance) and instance.state is State.HEALTHY for instance in unwanted)
    for instance in unwanted:
        if only_moves(draft, instance) and instance.state is State.HEALTHY:
            if budget <= 0:
                draft.later(because("awaiting_health"), apart=True)
                continue
            budget -= 1
        draft.retire(instance, why_unwanted(draft.app, instance))
    occupied = {instance.slot for instance in draft.app.instances} - holders.keys()
    if occupied:
        draft.later(because("awaiting_removal"))
    fill(draft, holders, 0, without=occupied)


def switch(draft: Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    """Make all new instances beside those that have the traffic, give it to them at once, and retire the old later."""
    app, spec = draft.app, draft.app.release.spec
    active = active_template(app)
    if active in ("", app.release.template):
        standby = [instance for instance in unwanted if _stands_by(draft, instance)]
        if standby:
            draft.later(because("standing_by"), spec.update.keep, app.active_since, apart=True)
        trial = spec.update.min_ready
        if active and on_trial(app) and app.active_since and not draft.overdue(app.active_since, trial):
            draft.later(because("awaiting_ready", seconds=trial), trial, app.active_since)
        draft.staying = [instance for instance in draft.staying if instance not in standby]
        roll(draft, holders, [instance for instance in unwanted if instance not in standby])
        return
    for instance in unwanted:
        if instance.template != active:  # of a release in between, which never had the traffic
            draft.retire(instance, why_unwanted(app, instance))
    if sum(holder.state is State.HEALTHY for holder in holders.values()) == spec.replicas:
        draft.switch = True
    else:
        draft.later(because("awaiting_switch"))
        fill(draft, holders, len(draft.staying) - len(holders))


def _stands_by(draft: Draft, instance: Instance) -> bool:
    """Whether an instance of the release before is to be kept for a while after the traffic has moved."""
    app = draft.app
    if app.active_since is None or draft.overdue(app.active_since, app.release.spec.update.keep):
        return False
    as_before = instance.template != app.release.template and not instance.drift and not instance.relocate
    return as_before and instance.state is State.HEALTHY


def roll(draft: Draft, holders: dict[int, Instance], unwanted: list[Instance]) -> None:
    spec = draft.app.release.spec
    floor = max(1, spec.replicas - spec.update.max_unavailable)
    budget = sum(_surely_serves(draft, stays) and ready(draft, stays) for stays in draft.staying) - floor
    # with none to spare and no surge nothing could ever move, so one is allowed then
    surge = max(spec.update.max_surge, 1 if floor >= spec.replicas else 0)
    served = {slot for slot, holder in holders.items() if holder.state is State.HEALTHY}
    for instance in _retirement_order(draft, holders, unwanted):
        # nothing is wrong with what shall run elsewhere: where it can, it stays until its successor serves
        stays = surge > 0 and only_moves(draft, instance) and instance.slot not in served
        if instance.state in (State.ASSIGNED, State.STARTED):
            draft.retire(instance, why_unwanted(draft.app, instance))
        elif instance.state is State.HEALTHY and budget >= _surely_serves(draft, instance) and not stays:
            budget -= _surely_serves(draft, instance)
            draft.retire(instance, why_unwanted(draft.app, instance))
        else:  # the last that serve wait for successors; one that is out of the rotation may come back till then
            draft.later(because("awaiting_surge"), apart=only_moves(draft, instance))
    fill(draft, holders, surge)


def _surely_serves(draft: Draft, instance: Instance) -> bool:
    """Whether a healthy instance is seen to be so; one whose engine and edges are silent may be gone with its node."""
    seen = instance.process is Process.RUNNING or judge(instance, draft.app.edges).verdict is Verdict.UP
    return instance.state is State.HEALTHY and seen


def _retirement_order(draft: Draft, holders: dict[int, Instance], unwanted: Iterable[Instance]) -> list[Instance]:
    """Those beyond the wanted slots first, then those whose slot is served by a successor, then the rest."""
    served = {slot for slot, holder in holders.items() if holder.state is State.HEALTHY}
    replicas = draft.app.release.spec.replicas
    return sorted(unwanted, key=lambda i: (i.slot < replicas, i.slot not in served, i.slot, i.generation))
