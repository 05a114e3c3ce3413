"""Who has to leave a node: because it is drained, because another one suits better, because something matters more.

Nothing is moved here. Instances are marked, a few at a time, and the loop of each app does the rest with its own
budgets. A mark that nobody acted on is found again by the next look; every mark is set once and for one reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from scheduler.model import AppState, Relocate
from scheduler.placement import Move, Profile, Request, preempt, rebalance
from scheduler.store import reading, relocating, running
from scheduler.store.cluster import KeptCluster
from scheduler.world import World

AT_ONCE = 10  # instances of one node that move at a time because of its drain
PERIOD = timedelta(seconds=60)  # between two lots of moves for the better
MOST_LOOKED_AT = 50_000  # instances that are thought about at once: some seconds
LEAVE = timedelta(seconds=30)  # after which an instance that was displaced and has not begun to leave is spared
TRY_AGAIN = timedelta(seconds=5)  # between two looks for instances to displace

log = structlog.get_logger(__name__)


# ---- drains


def drain(world: World) -> None:
    """Have the next instances of every node that is being emptied move, as many as others have room for."""
    relocating.end_drains()
    relocating.spare_needless()
    for each in relocating.drains():
        room = AT_ONCE - relocating.leaving(each.node)
        profiles: dict[str, Profile] = {}
        full: set[Request] = set()
        for one in running.on(each.node):
            if room <= 0:
                break
            if one.request in full:
                continue
            group = one.request.group
            profiles.setdefault(group, reading.profile(group))
            if world.cluster.elsewhere(one, profiles[group]) is None:
                full.add(one.request)  # it stays where it serves, and is looked at again when there may be room
            else:
                room -= relocating.mark([one.id], Relocate.DRAIN, world.now(), by=each.by)
    relocating.drained(world.now())


# ---- rebalancing


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be moved, the best first. `complete`: everything that runs was looked at."""

    moves: tuple[Move, ...]
    complete: bool


def plan(cluster: KeptCluster, most: int) -> Planned:
    """At most so many moves that are worth it, by the profile of each group; nothing is changed."""
    own = running.with_profile()
    parts: list[tuple[str | None, list[str]]] = [(None, own), *((group, []) for group in own)]
    nodes = cluster.nodes()
    moves: list[Move] = []
    left = MOST_LOOKED_AT
    for group, others in parts:
        found = running.movable(left, of=group, but=others)
        left -= len(found)
        profile = reading.profile(group or "")
        moves += rebalance(nodes, found, most, profile=profile)
    moves.sort(key=lambda move: (-move.gain, move.id))
    return Planned(tuple(moves[:most]), complete=left > 0)


def rebalance_now(world: World, *, asked: bool) -> tuple[Move, ...]:
    """Begin moves for the better: when someone asked for it, or nodes have come; a lot a minute at most.

    Goes on every minute until nothing is worth moving any more.
    """
    policy, now = relocating.policy(), world.now()
    fresh = relocating.fresh_nodes()
    if not asked and not (policy.enabled and fresh):
        return ()
    room = policy.most - relocating.moving()
    if room <= 0 or not relocating.begin_period(now, now if asked else now - PERIOD):
        return ()
    planned = plan(world.cluster, room)
    if not planned.moves:
        relocating.balanced(fresh)
    begun = [move for move in planned.moves if relocating.mark([move.id], Relocate.REBALANCE, now)]
    if begun:
        log.info("rebalancing", moves=len(begun), gain=sum(move.gain for move in begun))
    return tuple(begun)


# ---- preemption


@dataclass(frozen=True, slots=True)
class Room:
    """What can be done for an app without room. `node`: where others leave for it; `due`: when to look again."""

    node: str = ""
    due: datetime | None = None
    again: bool = False  # things have changed already


def make_room(app: AppState, request: Request, profile: Profile, world: World) -> Room:
    """Find room for one more instance of an app that fits nowhere, at the expense of what matters less.

    1. What it was to move for the better only stays where it is.
    2. Whoever was displaced for it and leaves is waited for; who should leave and cannot is spared.
    3. Otherwise the least set of instances of lower priority is displaced, and their node kept for the app.
    """
    if relocating.stay(app.id):
        return Room(again=True)
    now = world.now()
    leaving = relocating.displaced(app.id)
    if any(one.leaves or now - one.since < LEAVE for one in leaving):
        return Room(app.nominated, now + TRY_AGAIN)
    if leaving:
        relocating.spare(app.id)
    if not running.any_below(request.priority):
        return Room()
    if not relocating.try_again(app.id, now, now - TRY_AGAIN):
        return Room(due=now + TRY_AGAIN)
    lower = running.below(request.priority, MOST_LOOKED_AT)
    found = preempt(world.cluster.nodes(), lower, request, profile)
    if found is None:
        return Room()
    if not relocating.displace(app.id, found.node, found.displaced, now):
        return Room(due=now + TRY_AGAIN)  # someone else has taken one of them
    log.info("preempting", app=app.id, node=found.node, displaced=len(found.displaced))
    return Room(found.node, now + TRY_AGAIN)
