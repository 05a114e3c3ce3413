"""An engine in memory: the same answers and the same refusals as a real one, at once and without any chance.

What a test does to it besides calling it is in `scheduler.engine.fakemachine`: `crash`, `kill_engine`,
`remove_behind_back` and the like.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Concatenate, ParamSpec, TypeVar

from scheduler.engine.base import (
    AddressTaken,
    Container,
    ContainerSpec,
    EngineEvent,
    EngineInfo,
    EngineUnreachable,
    ImageMissing,
    ImageUnknown,
    ImageUnpullable,
    Labels,
    LogLine,
    NameTaken,
    NetworkMissing,
    NetworkSpec,
    Refused,
    ResolvedImage,
)
from scheduler.engine.fakefeed import Feed
from scheduler.engine.fakemachine import CAPACITY, TERMINATED, UP, Machine, Record, hashed
from scheduler.model import Process, Resources

LEAST_CPU, LEAST_MEMORY = 10, 6 << 20  # what Docker refuses to go below
SIZE = 1 << 20  # bytes of an image

P = ParamSpec("P")
R = TypeVar("R")


def _call(method: Callable[Concatenate[FakeEngine, P], R]) -> Callable[Concatenate[FakeEngine, P], R]:
    """A call of the interface: between the hooks, one at a time, and only while the engine answers."""

    @functools.wraps(method)
    def call(self: FakeEngine, /, *args: P.args, **kwargs: P.kwargs) -> R:
        self.before_effect(method.__name__)
        with self.lock:
            if self.dead:
                raise EngineUnreachable("the engine does not answer")
            result = method(self, *args, **kwargs)
        self.after_effect(method.__name__)
        return result

    return call


class FakeEngine(Machine):
    """`images` are the digests on the engine, `sizes` their bytes.

    `references` is what registries and local tags say that names mean.

    A pull of anything but what is `unpullable` succeeds, the start of what is `unstartable` is refused, what is
    `stubborn` ignores the stop signal. All three hold digests.

    `before_effect` and `after_effect` are called with the method's name around each call; what they raise goes to
    the caller, so a test can have the caller die before an effect or right after it. `history` lists what took
    effect, in order, as (method, name): an adopted container was not created, one that ran was not started.
    """

    def __init__(
        self,
        installation: str,
        *,
        name: str = "fake",
        images: Iterable[str] = (),
        references: Mapping[str, ResolvedImage] | None = None,
        capacity: Resources = CAPACITY,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(installation, name, capacity, now)
        self.images = set(images)
        self.sizes: dict[str, int] = {}  # bytes; `SIZE` where it says none
        self.references = dict(references or {})
        self.unpullable: set[str] = set()
        self.unstartable: set[str] = set()
        self.stubborn: set[str] = set()
        self.before_effect: Callable[[str], None] = lambda method: None
        self.after_effect: Callable[[str], None] = lambda method: None
        self.history: list[tuple[str, str]] = []

    @_call
    def info(self) -> EngineInfo:
        return EngineInfo(hashed(self.name), "20.10.24", self.name, self.capacity, live_restore=True)

    @_call
    def resolve_image(self, reference: str) -> ResolvedImage:
        if reference in self.references:
            return self.references[reference]
        if reference in self.images:
            return ResolvedImage(reference, None, None)
        raise ImageUnknown(f"{reference}: manifest unknown")

    @_call
    def pull(self, digest: str) -> None:
        if digest in self.images:
            return
        if digest in self.unpullable or "@" not in digest:
            raise ImageUnpullable(f"{digest}: manifest unknown")
        self.images.add(digest)
        self.history.append(("pull", digest))

    @_call
    def has_image(self, digest: str) -> bool:
        return digest in self.images

    @_call
    def image_sizes(self) -> dict[str, int]:
        return {digest: self.sizes.get(digest, SIZE) for digest in self.images}

    @_call
    def ensure_network(self, network: NetworkSpec) -> None:
        there = self.nets.get(network.name)
        if there is not None and there.labels != network.labels:
            raise NameTaken(f"the network {network.name} belongs to something else")
        if there is not None and there.subnet == network.subnet:
            return
        if there is not None:
            self._refuse_while_in_use(network.name)
        subnet = IPv4Network(network.subnet)
        others = (other for other in self.nets.values() if other is not there)
        if any(subnet.overlaps(IPv4Network(other.subnet)) for other in others):
            raise AddressTaken("Pool overlaps with other one on this address space")
        self.nets[network.name] = network
        self.history.append(("ensure_network", network.name))

    @_call
    def remove_network(self, name: str) -> None:
        if name not in self.nets:
            return
        if self.nets[name].labels.installation != self.installation:
            raise NameTaken(f"the network {name} belongs to something else")
        self._refuse_while_in_use(name)
        del self.nets[name]
        self.history.append(("remove_network", name))

    @_call
    def networks(self) -> list[tuple[str, Labels]]:
        ours = (each for each in self.nets.values() if each.labels.installation == self.installation)
        return sorted(((each.name, each.labels) for each in ours), key=lambda item: item[0])

    @_call
    def create(self, container: ContainerSpec) -> str:
        if container.network not in self.nets:
            raise NetworkMissing(f"the engine has no network {container.network}")
        self._refuse_impossible(container.resources)
        if container.digest not in self.images:
            raise ImageMissing(f"No such image: {container.digest}")
        there = self.find(container.name)
        if there is None:
            there = self.make(container)
            self.history.append(("create", container.name))
        if there.shown.labels != container.labels:
            raise NameTaken(f"the name {container.name} is in use by {there.shown.id}")
        return there.shown.id

    @_call
    def start(self, id: str) -> None:
        record = self.record(id)
        if record.shown.process is Process.PAUSED:
            self.show(record, process=Process.RUNNING)
            self.tell(record, "unpause")
        if record.shown.process in UP:
            return
        self._refuse_address(record.spec, record.shown.id)
        if record.spec.digest in self.unstartable:
            raise Refused("OCI runtime create failed")
        self.run(record)
        self.history.append(("start", record.shown.name))

    @_call
    def terminate(self, id: str) -> None:
        record = self.record(id)
        if record.shown.process in UP:
            self.tell(record, "kill")
            self.history.append(("terminate", record.shown.name))
            if record.spec.digest not in self.stubborn:
                self.end(record, TERMINATED)

    @_call
    def remove(self, id: str) -> None:
        record = self.find(id)
        if record is not None:
            self.discard(record)
            self.history.append(("remove", record.shown.name))

    @_call
    def container(self, id: str) -> Container | None:
        record = self.find(id)
        return record.shown if record and record.shown.labels.installation == self.installation else None

    @_call
    def containers(self) -> list[Container]:
        shown = (record.shown for record in self.records.values())
        return sorted((each for each in shown if each.labels.installation == self.installation), key=lambda c: c.name)

    @_call
    def logs(self, id: str, *, tail: int = 100, since: datetime | None = None, follow: bool = False) -> Feed[LogLine]:
        record = self.record(id)
        lines = [line for line in record.lines if since is None or line.at >= since]
        feed = Feed(lines[-tail:] if tail else [])
        if follow and record.shown.process in UP:
            record.followers.append(feed)
        else:
            feed.end()
        return feed

    @_call
    def events(self) -> Feed[EngineEvent | None]:
        feed: Feed[EngineEvent | None] = Feed([None])
        self.subscribers.append(feed)
        return feed

    def close(self) -> None:
        with self.lock:
            self.break_off()

    def _refuse_impossible(self, resources: Resources) -> None:
        if resources.cpu and not LEAST_CPU <= resources.cpu <= self.capacity.cpu:
            raise Refused(f"Range of CPUs is from 0.01 to {self.capacity.cpu / 1000:.2f}")
        if resources.memory and resources.memory < LEAST_MEMORY:
            raise Refused("Minimum memory limit allowed is 6MB")

    def _refuse_address(self, spec: ContainerSpec, id: str) -> None:
        """Raise unless the address is free and one of its network's."""
        network = self.nets.get(spec.network)
        if network is None:
            raise NetworkMissing(f"network {spec.network} not found")
        gateway, address = next(IPv4Network(network.subnet).hosts()), IPv4Address(spec.address)
        if address not in IPv4Network(network.subnet):
            raise Refused(f"Invalid address {address}: It does not belong to any of this network's subnets")
        taken = {other.shown.address for other in self._attached(spec.network) if other.shown.id != id}
        if spec.address in taken or address == gateway:
            raise AddressTaken("Address already in use")

    def _refuse_while_in_use(self, network: str) -> None:
        if self._attached(network):
            raise Refused(f"error while removing network: network {network} has active endpoints")

    def _attached(self, network: str) -> list[Record]:
        up = (record for record in self.records.values() if record.shown.process in UP)
        return [record for record in up if network in record.shown.networks]
