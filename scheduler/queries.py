"""What pages and the API may ask the scheduler: the meaning of an image, a preview of a change, logs. Read only.

Besides value types and the tasks' names this is the one door from `apps` to the scheduler. Every call is bounded in
time: none waits for the loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scheduler import measuring, placement, relocation, world
from scheduler.diff import diff
from scheduler.engine.base import EngineError, ImageUnknown, LogLine, LogLines, ResolvedImage
from scheduler.model import AppState, Release
from scheduler.placement import Explanation, Profile, Running, Trial
from scheduler.reasons import Reason, because
from scheduler.store import reading, relocating, running, sweeping
from scheduler.traffic.figures import Figures


@dataclass(frozen=True, slots=True)
class Explained:
    """How the nodes look to one more instance of an app, and where it runs already."""

    explanation: Explanation
    profile: Profile
    here: Mapping[str, int]  # instances of the app by node, without those on their way out
    wanted: int

    @property
    def fitting(self) -> int:
        """How many nodes would take one more instance."""
        passes = np.ones(len(self.explanation.names), np.bool_)
        for check in self.explanation.checks:
            passes &= check.passes
        return int(passes.sum())

    @property
    def missing(self) -> int:
        """How many instances have no node yet."""
        return max(0, self.wanted - sum(self.here.values()))

    def nodes(self, start: int, count: int) -> list[dict[str, Any]]:
        """Some of the nodes, the best first, then those with the fewest reasons against."""
        return self._with_here(self.explanation.as_dict(start + count)["nodes"][start:])

    def node(self, name: str) -> dict[str, Any]:
        """One node. Raises `KeyError` when there is none of this name."""
        return self._with_here([self.explanation.node(name).as_dict()])[0]

    def _with_here(self, reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**report, "here": self.here.get(report["node"], 0)} for report in reports]


MOST_TRIED = 50_000  # instances that a profile is tried on: some seconds


class ImageRefused(Exception):
    """The reference means nothing to any registry or engine that was asked; `str()` says what they said."""


class TooMuch(Exception):
    """What was asked would take too long: it is about `count` instances, and `most` are the limit."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"{count} instances, {most} at most")
        self.count, self.most = count, most


class LogsUnavailable(Exception):
    """The instance's log cannot be read now; `str()` says why."""


def resolve_image(reference: str) -> ResolvedImage:
    """What an image reference means at this moment, asked of the first node that answers. Raises `ImageRefused`."""
    outside = world.the_world()
    problem = "no node is enrolled that could be asked"
    for node in sweeping.reachable_nodes():
        try:
            return outside.engine(node).resolve_image(reference)
        except ImageUnknown as error:
            raise ImageRefused(str(error)) from error
        except EngineError as error:
            problem = str(error)
    raise ImageRefused(problem)


def preview(group: str, name: str, app_id: int | None, wanted: Release, running: bool) -> dict[str, Any]:
    """What a change would do, in all: which instances would be made, where, and which would go. Changes nothing."""
    app = reading.app_state(app_id, (), {}) if app_id else None
    spec = wanted.spec
    if app is None:
        app = AppState(0, group, name, running, False, wanted, None, 1, (), {}, (), None)
    app = replace(app, release=wanted, running=running, operation=None)
    slots = range(spec.replicas if running else 0)
    keep = {
        i.slot: i
        for i in app.instances
        if not i.state.going and i.template == wanted.template and i.slot in slots and not i.drift
    }
    kept = {i.id for i in keep.values()}
    missing = [slot for slot in slots if slot not in keep]
    decision = world.cluster().try_out(reading.replacing(app, missing), reading.profile(group))
    placed = dict(zip(missing, decision.nodes, strict=False))
    first = diff(app, datetime.now(UTC))
    reasons = {create.slot: create.reason for create in first.create}
    replaced = {i.slot for i in app.instances if not i.state.going}
    for slot in missing:  # what is not made at once is made for the release, or because nothing is there
        if slot not in reasons:
            of = because("release_wanted", release=wanted.number, slot=slot)
            reasons[slot] = of if slot in replaced else because("slot_empty", slot=slot)
    return {
        "keep": sorted(i.name for i in keep.values()),
        "create": [{"slot": slot, "node": placed.get(slot), "reason": str(reasons[slot])} for slot in missing],
        "retire": sorted(i.name for i in app.instances if i.id not in kept and not i.state.going),
        "pending": len(missing) - len(placed),
        "explanation": decision.explanation.as_dict(),
    }


def canary(app_id: int) -> tuple[Figures, Figures] | None:
    """What the edges have measured of a canary and of the stable release since its share was applied.

    None: nothing yet, or nobody knows.
    """
    app = reading.app_state(app_id, (), {})
    return measuring.measured(app, world.the_world()) if app is not None else None


def explain(app_id: int) -> Explained | None:
    """How every node looks to one more instance of the app as it is wanted now; None when there is no such app."""
    app = reading.app_state(app_id, (), {})
    if app is None:
        return None
    profile = reading.profile(app.group)
    request = reading.request(app.group, app.name, app.release.spec, 1)
    request = replace(request, kept=reading.kept_from(app.id, request.priority))
    explanation = world.cluster().explain(request, profile)
    here = Counter(instance.node for instance in app.instances if not instance.state.going)
    wanted = app.release.spec.replicas if app.running else 0
    return Explained(explanation, profile, here, wanted)


def try_profile(group: str | None, profile: Profile) -> Trial:
    """How the profile would place what runs of a group, or of all groups without a profile of their own.

    Raises `TooMuch`.
    """
    others = [] if group else running.with_profile()
    count = running.count(of=group, but=others)
    if count > MOST_TRIED:
        raise TooMuch(count, MOST_TRIED)
    return placement.try_profile(world.cluster().nodes(), running.instances(of=group, but=others), profile)


def logs(instance_id: int, *, tail: int = 100) -> list[LogLine]:
    """The newest lines of an instance's log, oldest first. Raises `LogsUnavailable`."""
    return list(_lines(instance_id, tail, follow=False))


def follow_logs(instance_id: int, *, tail: int = 100) -> LogLines:
    """The newest lines and then each as it comes, until closed or the container ends. Raises `LogsUnavailable`."""
    return _lines(instance_id, tail, follow=True)


def _lines(instance_id: int, tail: int, *, follow: bool) -> LogLines:
    found = reading.container_of(instance_id)
    if found is None:
        raise LogsUnavailable("its container is not there yet, or no more")
    node, container = found
    try:
        return world.the_world().engine(node).logs(container, tail=tail, follow=follow)
    except EngineError as error:
        raise LogsUnavailable(str(error)) from error


MOST_HINDERED = 20  # apps that are explained


def hindered(node: str) -> list[tuple[str, int, Reason | str]]:
    """Which apps' instances cannot leave a node: app, how many, and why no other one takes them."""
    cluster = world.cluster()
    found: dict[str, list[Running]] = {}
    for one in running.on(node):
        found.setdefault(one.request.app, []).append(one)
    waiting = relocating.waiting(node)
    for app, ones in found.items():
        profile = reading.profile(ones[0].request.group)
        if app not in waiting and cluster.elsewhere(ones[0], profile) is None:
            waiting[app] = len(ones), cluster.explain(ones[0].request, profile).summary()
        if len(waiting) >= MOST_HINDERED:
            break
    return [(app, count, why) for app, (count, why) in sorted(waiting.items())][:MOST_HINDERED]


def planned_moves(most: int) -> list[tuple[str, str, str, str, int]]:
    """What would move for the better now: app, instance, source, target and gain, the best first."""
    moves = relocation.plan(world.cluster(), most).moves
    names = relocating.names([move.id for move in moves])
    return [(move.app, names.get(move.id, ""), move.source, move.target, move.gain) for move in moves]
