"""An app as HAProxy has it: a backend with numbered server slots, and which endpoint each of them holds.

Slots that hold nothing are spare: HAProxy has them in maintenance, and an endpoint comes and goes by telling it over
its socket. Only more slots than there are, or another head, need a reload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from scheduler.discovery import AppConfig
from scheduler.model import Endpoint, Protocol

App = tuple[str, str]  # group, app
Slots = tuple[Endpoint | None, ...]

LEAST_SLOTS = 4
NONE, TRIED = "-", "canary"  # in the map of canaries: no server, and that a server is one


@dataclass(frozen=True, slots=True)
class Backend:
    group: str
    app: str
    config: AppConfig
    slots: Slots = ()

    @property
    def name(self) -> str:
        """Names have no dot, so it is unambiguous."""
        return f"{self.group}.{self.app}"

    @property
    def sticky(self) -> bool:
        return self.config.protocol is Protocol.HTTP and self.config.http.sticky

    @property
    def splits(self) -> bool:
        """Whether its traffic can be divided between two releases."""
        return self.config.protocol is Protocol.HTTP and self.config.canary is not None

    def canaries(self) -> dict[str, str]:
        """What the map of canaries says of it, by key: always the same keys, so that HAProxy can change each value."""
        if not self.splits or self.config.canary is None:
            return {}
        listed = [server(n) for n, held in enumerate(self.slots) if held is not None and _tried(held)]
        values = {"weight": str(self.config.canary.weight), "count": str(len(listed)), "token": self._token()}
        for number in range(len(self.slots)):
            values[str(number)] = listed[number] if number < len(listed) else NONE
            values[server(number)] = TRIED if server(number) in listed else NONE
        return {f"{self.name}/{key}": value for key, value in values.items()}

    def _token(self) -> str:
        """What the cookies of clients say that are to stay with this canary: the same at every edge, and no other's."""
        releases = {held.release for held in self.slots if held is not None and _tried(held)}
        if not self.sticky or not releases:
            return NONE
        key = self.config.cookie_key or self.name
        return hashlib.sha256(f"{key} {max(releases)}".encode()).hexdigest()[:16]

    def check(self, held: Endpoint | None) -> str:
        """The path that the health check of an endpoint asks for; of a spare slot nothing in particular."""
        return (held.check if held is not None else "") or self.config.health.path or "/"

    def same_shape(self, other: Backend | None) -> bool:
        """Whether HAProxy could go from the other to this one without a reload."""
        return other is not None and len(self.slots) == len(other.slots) and shape(self.config) == shape(other.config)


def shape(config: AppConfig) -> AppConfig:
    """All of the config that HAProxy is not told of while it runs."""
    split = replace(config.canary, weight=0) if config.canary is not None else None
    return replace(config, slots=0, canary=split)


def _tried(held: Endpoint) -> bool:
    """Whether the endpoint gets a canary's share, and no more."""
    return held.canary and not held.draining


def weight(held: Endpoint | None) -> int:
    """HAProxy's weight of a slot's server: without one it gets only what is sent to it by name."""
    return 0 if held is not None and _tried(held) else 1


def serves(held: Endpoint | None) -> bool:
    """Whether a slot's server gets its part of all of the traffic."""
    return held is not None and not held.draining and not held.canary


def may_serve(held: Endpoint | None) -> bool:
    """Whether a slot's server gets requests now, or may at any moment."""
    return held is not None and (not held.draining or held.standby)


def shut(held: Endpoint, sticky: bool) -> bool:
    """Whether an endpoint's server is in maintenance: `drain` would go on to send it the clients that have its cookie.

    One that stands by has to be checked, so it drains. Nobody has its cookie: they are made anew for each release.
    """
    return sticky and held.draining and not held.standby


def size(wanted: int) -> int:
    """How many slots to make for `wanted` endpoints at most: the next power of two, so that reloads stay rare."""
    return max(LEAST_SLOTS, 1 << (wanted - 1).bit_length() if wanted > 1 else 1)


def assign(slots: Slots, endpoints: Mapping[str, Endpoint], wanted: int) -> Slots:
    """Which slot holds which endpoint from now on. Never fewer slots than before.

    1. An endpoint stays in its slot while its instance, address and port stay.
    2. A new one takes the first slot that was spare already; so no slot goes from one endpoint to another at once.
    3. After those, slots that are becoming spare, and new slots beyond.
    """
    kept: list[Endpoint | None] = [_kept(held, endpoints) for held in slots]
    placed = {held.instance for held in kept if held is not None}
    new = [endpoint for name, endpoint in sorted(endpoints.items()) if name not in placed]
    needed = max(wanted, len(endpoints))
    if needed > len(slots):
        kept += [None] * (size(needed) - len(slots))
    spare = [n for n, held in enumerate(kept) if held is None]
    spare.sort(key=lambda n: (n < len(slots) and slots[n] is not None, n))
    for number, endpoint in zip(spare, new, strict=False):
        kept[number] = endpoint
    return tuple(kept)


def _kept(held: Endpoint | None, endpoints: Mapping[str, Endpoint]) -> Endpoint | None:
    wanted = endpoints.get(held.instance) if held is not None else None
    return wanted if same_place(held, wanted) else None


def same_place(one: Endpoint | None, other: Endpoint | None) -> bool:
    """Whether both are the same instance at the same address; draining or not, and its check, do not matter."""
    if one is None or other is None:
        return False
    return (one.instance, one.address, one.port) == (other.instance, other.address, other.port)


def server(number: int) -> str:
    """The name of the slot with this index."""
    return f"s{number + 1}"


def commands(
    name: str, number: int, before: Endpoint | None, after: Endpoint | None, *, sticky: bool = False
) -> list[str]:
    """What to tell HAProxy so that a slot goes from one endpoint to another.

    A server that leaves maintenance is up at once, before its first check. So a new endpoint goes by way of `drain`,
    where it gets no request, is declared down there, and is up again after its checks have passed.

    With sticky sessions a server that leaves is in maintenance (see `shut`): what has begun there ends there, and its
    clients' next requests choose another.
    """
    at = f"set server {name}/{server(number)}"
    shifts = [f"{at} weight {weight(after)}"] if weight(before) != weight(after) else []
    moves = _moves(at, before, after, sticky)
    return [*moves, *shifts] if after is None or after.draining else [*shifts, *moves]


def _moves(at: str, before: Endpoint | None, after: Endpoint | None, sticky: bool) -> list[str]:
    if after is None:
        return [] if before is None else [f"{at} state maint"]
    if before is not None and same_place(before, after):
        if shut(after, sticky):
            return [] if shut(before, sticky) else [f"{at} state maint"]
        if shut(before, sticky):
            return _enter(at, after)
        return [] if before.draining == after.draining else [f"{at} state {'drain' if after.draining else 'ready'}"]
    told = [] if before is None else [f"{at} state maint"]
    told.append(f"{at} addr {after.address} port {after.port}")
    return told if shut(after, sticky) else [*told, *_enter(at, after)]


def _enter(at: str, held: Endpoint) -> list[str]:
    """Out of maintenance, and not up before a check has passed."""
    told = [f"{at} state drain", f"{at} health down"]
    return told if held.draining else [*told, f"{at} state ready"]
