"""Apps as the edge has them, and a HAProxy that knows nothing but its servers' states."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

from scheduler.discovery import AppConfig
from scheduler.edge.backend import Backend, Slots, server
from scheduler.edge.sockets import Standing
from scheduler.model import Endpoint, HealthCheck, Protocol, Route

CONFIG = AppConfig(Protocol.HTTP, 80, HealthCheck(), (Route("shop.test"),), 2)
COMMAND = re.compile(r"set server (\S+)/(s\d+) (?:addr (\S+) port (\d+)|state (\w+)|health (\w+)|weight ([01]))")


def held(name: str, host: int = 1, draining: bool = False, canary: bool = False, standby: bool = False) -> Endpoint:
    return Endpoint(name, f"10.0.0.{host}", 8080, draining or standby, canary=canary, standby=standby)


def backend(*slots: Endpoint | None, config: AppConfig = CONFIG, app: str = "shop") -> Backend:
    return Backend("team", app, config, slots)


# few names and addresses, so that they meet
ENDPOINTS = st.builds(
    held,
    st.sampled_from(["0-1", "0-2", "1-1", "2-1"]),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
WANTED = st.lists(ENDPOINTS, max_size=6, unique_by=lambda each: each.instance).map(
    lambda many: {each.instance: each for each in many}
)


@dataclass
class FakeServer:
    place: str = "127.0.0.1:1"
    admin: str = "maint"  # maint, drain, ready
    up: bool = False
    weight: int = 1

    @property
    def eligible(self) -> bool:
        return self.admin == "ready" and self.up

    @property
    def chosen(self) -> bool:
        """Whether it gets its part of all of the traffic."""
        return self.eligible and self.weight > 0


class FakeHaproxy:
    """What `set server` does to servers. One that leaves maintenance is up, as the real one's are."""

    def __init__(self, slots: Slots, sticky: bool = False) -> None:
        self.servers = {server(n): FakeServer() for n in range(len(slots))}
        self.served: set[str] = set()  # places that were eligible at some time
        self.fewest = len(slots)  # that were chosen from at any time
        for n, each in enumerate(slots):
            if each is not None:
                place, admin, weight = _stands(each, sticky)
                self.servers[server(n)] = FakeServer(place, admin, up=admin != "maint", weight=weight)

    def tell(self, command: str) -> None:
        found = COMMAND.fullmatch(command)
        assert found, command
        its = self.servers[found[2]]
        if found[3]:
            assert its.admin == "maint", "the address of a server changes only while nothing is sent to it"
            its.place = f"{found[3]}:{found[4]}"
        elif found[5]:
            its.up = its.up or (its.admin == "maint" and found[5] != "maint")
            its.up = its.up and found[5] != "maint"
            its.admin = found[5]
        elif found[7]:
            its.weight = int(found[7])
        else:
            its.up = found[6] == "up"
        self.served |= {each.place for each in self.servers.values() if each.eligible}
        self.fewest = min(self.fewest, sum(each.chosen for each in self.servers.values()))

    def standings(self, name: str) -> dict[str, Standing]:
        return {
            key: Standing(name, key, its.place, its.up, its.admin == "maint", its.admin == "drain", its.weight)
            for key, its in self.servers.items()
        }

    def has(self, slots: Slots, sticky: bool = False) -> bool:
        """Whether it has exactly these endpoints, each in its state."""
        return all(
            (its.admin, its.weight) == ("maint", 1)
            if each is None
            else (its.place, its.admin, its.weight) == _stands(each, sticky)
            for its, each in zip(self.servers.values(), slots, strict=True)
        )


def _stands(each: Endpoint, sticky: bool) -> tuple[str, str, int]:
    """Where, how and with which weight HAProxy is to have it."""
    leaves = "maint" if sticky and not each.standby else "drain"
    return f"{each.address}:{each.port}", leaves if each.draining else "ready", int(each.draining or not each.canary)
