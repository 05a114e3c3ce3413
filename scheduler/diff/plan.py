"""What `diff` answers: named buckets of acts, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.lifecycle import State
from scheduler.model import Canary, Instance, OperationStatus
from scheduler.reasons import Reason


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
