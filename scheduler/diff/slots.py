"""Who holds a slot as wanted, who does not and why, and making an instance for a slot that has none."""

from __future__ import annotations

from collections.abc import Collection

from scheduler.diff.draft import Draft, backoff
from scheduler.diff.plan import Create
from scheduler.lifecycle import State
from scheduler.model import AppState, Instance, Relocate
from scheduler.reasons import Reason, because


def fill(draft: Draft, holders: dict[int, Instance], surge: int, without: Collection[int] = ()) -> None:
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
            moved = next((i for i in draft.staying if i.slot == slot and only_moves(draft, i)), None)
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


def sort_out(draft: Draft) -> tuple[dict[int, Instance], list[Instance]]:
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


def why_unwanted(app: AppState, instance: Instance) -> Reason:
    if instance.drift:
        return because("drifted", difference=instance.drift)
    if instance.slot >= app.release.spec.replicas:
        return because("scaled_down", replicas=app.release.spec.replicas, slot=instance.slot)
    if instance.relocate and instance.template == app.release.template:
        return why_elsewhere(instance)
    if instance.state is State.HEALTHY:
        return because("release_replaced", release=app.release.number)
    return because("superseded", release=instance.release)


def only_moves(draft: Draft, instance: Instance) -> bool:
    """Whether an instance is as wanted but for where it runs."""
    release = draft.app.release
    as_made = instance.template == release.template and not instance.drift and instance.slot < release.spec.replicas
    return as_made and instance.relocate is not None


def why_elsewhere(instance: Instance) -> Reason:
    return because((instance.relocate or Relocate.DRAIN).code, node=instance.node)
