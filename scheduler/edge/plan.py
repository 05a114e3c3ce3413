"""What has to happen in HAProxy so that an app is served as wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.discovery import AppConfig
from scheduler.edge.backend import App, Backend, assign, commands, may_serve, same_place, server, serves, shut, weight
from scheduler.edge.sockets import Standing
from scheduler.edge.state import Wanted
from scheduler.model import Endpoint


@dataclass(frozen=True, slots=True)
class Change:
    """An app as it is served and as it is to be; None: not at all."""

    app: App
    before: Backend | None
    after: Backend | None

    @property
    def needs_reload(self) -> bool:
        if self.after is None:
            return self.before is not None
        return not self.after.same_shape(self.before)

    def commands(self) -> list[str]:
        """What to tell HAProxy when no reload is needed."""
        if self.before is None or self.after is None:
            return []
        slots = enumerate(zip(self.before.slots, self.after.slots, strict=True))
        # requests come in between two commands: who is to serve more does so before anyone serves less
        ordered = sorted(slots, key=lambda slot: not serves(slot[1][1]))
        name, sticky = self.after.name, self.after.sticky
        return [said for n, (old, new) in ordered for said in commands(name, n, old, new, sticky=sticky)]

    def checks(self) -> list[tuple[str, str]]:
        """(server, path) of those whose health check asks for another path from now on."""
        if self.before is None or self.after is None:
            return []
        slots = enumerate(zip(self.before.slots, self.after.slots, strict=True))
        paths = [(n, self.before.check(old), self.after.check(new)) for n, (old, new) in slots if new is not None]
        return [(server(n), after) for n, before, after in paths if before != after]

    def canaries(self) -> dict[str, str]:
        """What the map of canaries says otherwise from now on."""
        if self.before is None or self.after is None:
            return {}
        before = self.before.canaries()
        return {key: value for key, value in self.after.canaries().items() if before.get(key) != value}

    def arrivals(self) -> list[Endpoint]:
        """Endpoints that HAProxy is to send requests to, now or at any moment, and does not have yet."""
        if self.after is None:
            return []
        old = self.before.slots if self.before is not None else ()
        return [
            held
            for held in self.after.slots
            if held is not None and may_serve(held) and not any(same_place(held, other) for other in old)
        ]

    def why(self) -> str:
        """Why it needs a reload, in words; empty when it needs none."""
        if not self.needs_reload:
            return ""
        if self.after is None:
            return "the app is gone"
        if self.before is None:
            return "the app is new"
        if len(self.after.slots) != len(self.before.slots):
            return f"{len(self.after.slots)} slots instead of {len(self.before.slots)}"
        return "its config is another"


def change(app: App, wanted: Wanted | None, before: Backend | None) -> Change:
    """From what is served of an app to what is wanted."""
    if wanted is None or wanted.config is None:
        return Change(app, before, None)
    return Change(app, before, to_be(app, wanted, wanted.config, before))


def to_be(app: App, wanted: Wanted, config: AppConfig, before: Backend | None) -> Backend:
    """The wanted endpoints in slots, under this config."""
    slots = assign(before.slots if before is not None else (), wanted.endpoints, config.slots)
    return Backend(*app, config, slots)


@dataclass(frozen=True, slots=True)
class Deviation:
    """How HAProxy differs from what it should have of one app: commands, and the endpoints they bring in anew."""

    commands: list[str]
    arrivals: list[Endpoint]


def deviation(wanted: Backend, found: dict[str, Standing]) -> Deviation | None:
    """What to tell HAProxy so that it has this app as wanted; None when it takes a reload. `found` is by server."""
    if found.keys() != {server(number) for number in range(len(wanted.slots))}:
        return None
    told: list[str] = []
    arrivals = []
    # as in `Change.commands`: who is to serve does so before anyone else stops
    for number, held in sorted(enumerate(wanted.slots), key=lambda slot: not serves(slot[1])):
        differs = list(_realign(wanted, number, held, found[server(number)]))
        told += differs
        if held is not None and may_serve(held) and any(said.endswith(" health down") for said in differs):
            arrivals.append(held)
    return Deviation(told, arrivals)


def _realign(wanted: Backend, number: int, held: Endpoint | None, found: Standing) -> Iterator[str]:
    at = f"set server {wanted.name}/{server(number)}"
    if found.weight != weight(held):
        yield f"{at} weight {weight(held)}"
    if held is None or (shut(held, wanted.sticky) and found.place == f"{held.address}:{held.port}"):
        if not found.spare:
            yield f"{at} state maint"
    elif found.spare or found.place != f"{held.address}:{held.port}":
        if not found.spare:
            yield f"{at} state maint"
        yield from commands(wanted.name, number, None, held, sticky=wanted.sticky)
    elif found.draining != held.draining:
        yield f"{at} state {'drain' if held.draining else 'ready'}"
