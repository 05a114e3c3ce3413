"""What befalls a Berth in the midst of a change."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from cloud.supervisor.identity import Identity
from tests.flows.api import Api
from tests.flows.installation import Berth, until_ready
from tests.services import EdgeAgent

Fault = Callable[[], None]


class Faults(ABC):
    """One after the other, over and over: each a name and what makes it happen."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, Fault]]: ...

    @abstractmethod
    def mended(self) -> None:
        """Wait until what mends itself has done so."""


class Processes(Faults):
    """Those of Berth are killed, and HAProxy is reloaded."""

    def __init__(self, berth: Berth, api: Api, aside: str) -> None:
        """`aside`: the path of an app that takes no part, whose routes are changed."""
        self._berth, self._api, self._aside = berth, api, aside
        self._routes = itertools.cycle(([{"host": "a.bench.localhost"}], [{"host": "b.bench.localhost"}]))

    def __iter__(self) -> Iterator[tuple[str, Fault]]:
        return itertools.cycle(
            [
                ("edge agent killed", lambda: self._kill("edge")),
                ("HAProxy reloaded", self._reload),
                ("worker killed", lambda: self._kill("worker")),
                ("web killed", lambda: self._kill("web")),
                ("etcd killed", lambda: self._kill("etcd")),
            ]
        )

    def mended(self) -> None:
        until_ready(self._berth)

    def _kill(self, name: str) -> None:
        pid = self._berth.status()[name]["pid"]
        identity = Identity.of(pid) if pid else None
        if identity is not None:  # else it is on its way back from the last time
            identity.kill()

    def _reload(self) -> None:
        self._api("PATCH", self._aside, {"routes": next(self._routes)})


class OtherEdge(Faults):
    """A second edge, not the one under load, is gone with its HAProxy, and in the next change back."""

    def __init__(self, other: EdgeAgent) -> None:
        self._other = other

    def __iter__(self) -> Iterator[tuple[str, Fault]]:
        return itertools.cycle(
            [("other edge lost its power", self._other.lose_power), ("other edge came back", self._other.start)]
        )

    def mended(self) -> None:
        """Nothing mends itself here."""
