"""What Berth asks of a container engine, in Berth's words.

`scheduler.engine.docker` says it to a real Docker Engine, `scheduler.engine.fake` keeps it in memory; the tests run
the same cases against both. Every call is bounded in time and safe to repeat.

    EngineError
      EngineUnreachable   temporary  the engine does not answer, or not in time; what it did is unknown
      EngineFault         temporary  it answered 5xx
      NotFound            permanent  no such container
      NetworkMissing      permanent  the network has to be made first
      ImageMissing        permanent  the image has to be pulled first
      ImageUnknown        permanent  no registry and no engine knows this reference
      ImageUnpullable     permanent  the registry knows it, the pull failed
      NameTaken           permanent  the container's name belongs to something that is not this instance
      AddressTaken        permanent  the address or subnet is in use by something else
      Refused             permanent  it answered 4xx for another cause
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol

from scheduler.model import ExecHealth, Process, Resources


class EngineError(Exception):
    """The root of what can go wrong; `temporary` says whether the same call may succeed later by itself."""

    temporary = False


class EngineUnreachable(EngineError):
    temporary = True


class EngineFault(EngineError):
    temporary = True


class NotFound(EngineError):
    pass


class NetworkMissing(EngineError):
    pass


class ImageMissing(EngineError):
    pass


class ImageUnknown(EngineError):
    pass


class ImageUnpullable(EngineError):
    pass


class NameTaken(EngineError):
    pass


class AddressTaken(EngineError):
    pass


class Refused(EngineError):
    pass


@dataclass(frozen=True, slots=True)
class Labels:
    """Who a container or network belongs to. All that is needed to rebuild its record from the host."""

    installation: str
    group: str
    app: str = ""
    app_id: int = 0
    slot: int = -1
    generation: int = 0
    release: int = 0
    template: str = ""

    PREFIX = "dev.berth."

    @property
    def container_name(self) -> str:
        """What a container with these labels is called: a name says which effect made it, so it is made once."""
        return f"berth-{self.installation}.{self.group}.{self.app}.{self.slot}.{self.generation}"

    def as_dict(self) -> dict[str, str]:
        """The labels as the engine stores them: `dev.berth.group=…`; a network has installation and group only."""
        return {self._key(name): str(getattr(self, name)) for name in (_OF_CONTAINERS if self.app else _OF_NETWORKS)}

    @classmethod
    def from_dict(cls, labels: Mapping[str, str]) -> Labels | None:
        """What `as_dict` wrote, or None when the labels are not Berth's.

        Further labels are left aside, even with Berth's prefix: an image can bring some, and must not be able to
        make its containers unreadable by that.
        """
        values: dict[str, Any] = {}
        for name in _OF_CONTAINERS if cls._key("app") in labels else _OF_NETWORKS:
            text = labels.get(cls._key(name), "")
            if not (_NUMBER.fullmatch(text) if name in _NUMBERS else text or name == "template"):
                return None
            values[name] = int(text) if name in _NUMBERS else text
        return cls(**values)

    @classmethod
    def _key(cls, name: str) -> str:
        return cls.PREFIX + name.replace("_", "-")


_OF_NETWORKS = ("installation", "group")
_OF_CONTAINERS = tuple(field.name for field in fields(Labels))
_NUMBERS = {"app_id", "slot", "generation", "release"}
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def network_name(installation: str, group: str) -> str:
    return f"berth-{installation}.{group}"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to be made: the allowlist of what Berth ever sets. There is no door for raw Docker options."""

    labels: Labels
    digest: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)  # secrets: never printed
    network: str
    address: str
    aliases: tuple[str, ...]  # DNS names within the group's network
    resources: Resources
    mounts: tuple[tuple[str, str, bool], ...] = ()  # engine volume name, path, read only
    health_command: tuple[str, ...] = ()
    health_interval: float = 2.0
    health_timeout: float = 1.0
    health_failures: int = 3
    health_grace: float = 30.0
    stop_signal: str = ""  # empty: the image's own
    stop_timeout: float = 10.0

    @property
    def name(self) -> str:
        return self.labels.container_name


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A group's private network. `name` is `berth-<installation>.<group>`."""

    labels: Labels
    name: str
    subnet: str  # CIDR; its first address is the gateway


@dataclass(frozen=True, slots=True)
class Container:
    """A container of Berth's as an engine shows it, with what can be changed behind Berth's back."""

    id: str
    name: str
    labels: Labels
    process: Process
    exit_code: int | None
    started_at: datetime | None
    restarts: int
    exec_health: ExecHealth
    image: str  # the image id it runs
    address: str  # in its group's network, empty when it is not attached
    networks: tuple[str, ...]
    cpu: int  # thousandths of a core; 0: unlimited
    memory: int  # bytes; 0: unlimited
    oom_killed: bool = False  # the kernel killed a process of it at its memory limit


@dataclass(frozen=True, slots=True)
class EngineInfo:
    id: str  # the engine's own identity: two nodes with one id are one engine
    version: str
    hostname: str
    capacity: Resources  # cpu, memory and disk of the host; instances 0
    live_restore: bool


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    digest: str  # repo@sha256:… or a bare image id sha256:…
    size: int | None  # bytes, when known
    port: int | None  # the lowest TCP port that the image exposes, when known


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A hint that something happened to a container of Berth's."""

    at: datetime
    action: str  # create start die kill oom stop pause unpause destroy update rename health_status disconnect connect
    container: str  # its id
    labels: Labels


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime
    stream: str  # stdout or stderr
    text: str


class LogLines(Protocol):
    """Lines of a container's log; `close`, from any thread, ends the iteration."""

    def __iter__(self) -> Iterator[LogLine]: ...

    def __next__(self) -> LogLine: ...

    def close(self) -> None: ...


class Events(Protocol):
    """A subscription; `close`, from any thread, ends the iteration."""

    def __iter__(self) -> Iterator[EngineEvent | None]: ...

    def __next__(self) -> EngineEvent | None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    """One engine, on one node. Methods raise `EngineError`s; those that remove take "it is gone" as success."""

    def info(self) -> EngineInfo: ...

    def resolve_image(self, reference: str) -> ResolvedImage:
        """What `reference` means now: the registry's answer, else a local image. Raises `ImageUnknown`."""

    def pull(self, digest: str) -> None:
        """Fetch the image; done when it is present. Raises `ImageUnpullable`."""

    def has_image(self, digest: str) -> bool: ...

    def image_sizes(self) -> dict[str, int]:
        """Bytes on disk of the images that are there, by each digest that a release could name them by."""

    def ensure_network(self, network: NetworkSpec) -> None:
        """Make the network unless it is there. Raises `AddressTaken` when its subnet overlaps another's."""

    def remove_network(self, name: str) -> None: ...

    def networks(self) -> list[tuple[str, Labels]]:
        """Name and labels of this installation's networks."""

    def create(self, container: ContainerSpec) -> str:
        """Make the container and return its id.

        Idempotent by name: one that exists with the same labels is adopted. Raises `NameTaken`, `NetworkMissing`,
        `ImageMissing`, `AddressTaken`, `Refused`.
        """

    def start(self, id: str) -> None:
        """Start it; one that runs already is left alone, one that is paused goes on.

        Raises `NotFound`, `NetworkMissing`, `AddressTaken`, `Refused`.
        """

    def terminate(self, id: str) -> None:
        """Send the image's stop signal (SIGTERM unless it names another) and return at once.

        One that does not run is left alone; the engine does not restart it. Raises `NotFound`.
        """

    def remove(self, id: str) -> None:
        """Kill if need be and remove with its anonymous volumes. Someone else removing it meanwhile is fine."""

    def container(self, id: str) -> Container | None:
        """One container by id or name; None when there is none or it is not of this installation."""

    def containers(self) -> list[Container]:
        """All of this installation's containers, running or not."""

    def logs(self, id: str, *, tail: int = 100, since: datetime | None = None, follow: bool = False) -> LogLines:
        """The newest `tail` lines, oldest first; with `follow` on until the container ends or the caller closes."""

    def events(self) -> Events:
        """This installation's events from now on. The first item, None, says that the subscription stands.

        Ends with `EngineUnreachable` when the engine goes away. Events get lost: list after subscribing.
        """

    def close(self) -> None:
        """End every blocked call and subscription of this client."""
