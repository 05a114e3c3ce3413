"""The values that the control loop passes around.

Everything here is frozen and free of I/O: what people ask for (`Spec`), what the store has recorded
(`Instance`), what an engine shows (`Container`) and what the edges report (`Probe`). Units are always the
same: CPU in thousandths of a core, memory and disk in bytes, durations in seconds (float), points in time as
aware `datetime`s in UTC. Nothing in this module looks at a clock.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from scheduler.lifecycle import State
from scheduler.reasons import Reason
from scheduler.routing import HttpOptions
from scheduler.routing import Route as Route

if TYPE_CHECKING:
    from scheduler.placement.values import Constraints, Preference
    from scheduler.traffic.figures import Figures

ACKNOWLEDGE = 30.0  # seconds after which an edge that is alive but applies nothing is no longer waited for


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of what a node has: requested by an instance, free on a node, granted by a quota."""

    cpu: int = 0  # thousandths of a core
    memory: int = 0  # bytes
    disk: int = 0  # bytes
    instances: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpu + other.cpu,
            self.memory + other.memory,
            self.disk + other.disk,
            self.instances + other.instances,
        )

    def __sub__(self, other: Resources) -> Resources:
        return self + other * -1

    def __mul__(self, times: int) -> Resources:
        return Resources(self.cpu * times, self.memory * times, self.disk * times, self.instances * times)

    def fits(self, room: Resources) -> bool:
        """Whether every figure is at most the one of `room`."""
        return (
            self.cpu <= room.cpu
            and self.memory <= room.memory
            and self.disk <= room.disk
            and self.instances <= room.instances
        )


class Protocol(enum.StrEnum):
    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How an edge tells a serving instance from one that merely lives.

    With `path` the edge wants an HTTP 2xx from it, without one a TCP connection is enough. `command` is run
    inside the container by the engine itself (Docker's HEALTHCHECK) and must agree as well when it is given.
    """

    path: str | None = "/"
    command: tuple[str, ...] = ()
    interval: float = 2.0
    timeout: float = 1.0
    failures: int = 3  # checks in a row that fail before the instance leaves the rotation
    successes: int = 1  # checks in a row that pass before it is in it
    grace: float = 30.0  # after its start, how long an instance may take to become healthy


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume of the group, mounted at an absolute path inside the container."""

    volume: str
    path: str
    read_only: bool = False


class Distinct(enum.StrEnum):
    """Whether the instances of an app want nodes of their own."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """What an app asks of the nodes it runs on; the expressions are those of `scheduler.placement.labels`."""

    spread: tuple[str, ...] = ("node",)
    require: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    distinct_nodes: Distinct = Distinct.PREFERRED


class OnFailure(enum.StrEnum):
    ROLLBACK = "rollback"
    HOLD = "hold"


class Strategy(enum.StrEnum):
    """How new instances take the place of old ones."""

    ROLLING = "rolling"  # a few at a time, both serving meanwhile
    RECREATE = "recreate"  # the old ones are gone before a new one is made: never two at once
    BLUE_GREEN = "blue_green"  # all new ones beside the old; then the traffic moves at once
    CANARY = "canary"  # a share of the traffic first, and what is measured of it decides; then as blue-green

    @property
    def switches(self) -> bool:
        """Whether the traffic moves from all old instances to all new ones at once."""
        return self in (Strategy.BLUE_GREEN, Strategy.CANARY)

    def apart(self, template: str, active: str, staying: Collection[str]) -> bool:
        """Whether instances of a template do not share all of the traffic, because those of the `active` one have it.

        `staying`: the templates of all instances that are not on their way out.
        """
        return self.switches and template != active and active in staying


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """So many percent of the traffic, for so many seconds; None: until it is promoted."""

    weight: int
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """How a new release is tried on a part of the traffic. What is None is not judged by."""

    steps: tuple[CanaryStep, ...] = (CanaryStep(5, 300.0), CanaryStep(25, 300.0))  # ever heavier
    header: tuple[str, str] | None = None  # name and value of a request's header that asks for the new release
    cookie: tuple[str, str] | None = None  # likewise of a cookie
    errors: float | None = 5.0  # percent of its requests that may fail
    errors_over: float | None = None  # percentage points by which it may fail more often than the stable release
    latency: float | None = None  # seconds within which 95 of 100 of its requests are to be answered
    latency_over: float | None = None  # how many times as long as with the stable release that may take
    requests: int = 50  # of its own within a step before anything is judged, or the step is over

    @property
    def judged(self) -> bool:
        """Whether anything is measured at all."""
        limits = (self.errors, self.errors_over, self.latency, self.latency_over)
        return any(limit is not None for limit in limits)


class StopSignal(enum.StrEnum):
    """What processes take as an order to end; the first is what an image means that does not say."""

    TERM = "SIGTERM"
    INT = "SIGINT"
    QUIT = "SIGQUIT"
    HUP = "SIGHUP"
    USR1 = "SIGUSR1"
    USR2 = "SIGUSR2"
    WINCH = "SIGWINCH"
    KILL = "SIGKILL"


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    strategy: Strategy = Strategy.ROLLING
    max_surge: int = 1
    max_unavailable: int = 0
    on_failure: OnFailure = OnFailure.ROLLBACK
    deadline: float = 300.0
    drain: float = 10.0  # how long sessions of a withdrawn instance may last before it is stopped anyway
    stop_signal: StopSignal | None = None  # None: the image's own
    stop_timeout: float = 10.0  # between the stop signal and the kill
    keep: float = 60.0  # blue-green, canary: how long the old instances stay ready to take the traffic back
    min_ready: float = 0.0  # how long a new instance has to be healthy before an old one goes because of it
    canary: CanaryPolicy = CanaryPolicy()


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything an app runs with, except for its environment's values, which only the store can decrypt.

    `image` is what the user wrote, `digest` what it meant at release time: `repo@sha256:…`, or the bare image
    id `sha256:…` of an image that exists on the engine alone.
    """

    image: str
    digest: str
    command: tuple[str, ...] = ()
    port: int = 8080
    protocol: Protocol = Protocol.HTTP
    replicas: int = 1
    resources: Resources = field(default_factory=lambda: Resources(cpu=250, memory=64 << 20, instances=1))
    health: HealthCheck = field(default_factory=HealthCheck)
    routes: tuple[Route, ...] = ()
    http: HttpOptions = field(default_factory=HttpOptions)
    expose: bool = False  # over TCP, at a port of the edges
    mounts: tuple[Mount, ...] = ()
    placement: PlacementRules = field(default_factory=PlacementRules)
    constraints: Constraints | None = None  # beyond `placement`; apps are named as in their group
    preferences: tuple[Preference, ...] = ()  # likewise
    priority: str = ""  # the name of its class; empty: none
    update: UpdatePolicy = field(default_factory=UpdatePolicy)

    def template(self, env_fingerprint: str) -> str:
        """A short hash of what a container is made from.

        Two releases with one template need no new containers: a change of replicas, placement or of what edges
        alone do (routes, rules, how often they check) is applied in place. What their check asks for is not: a
        wrong path must not take down what serves. `env_fingerprint` is a keyed hash of the environment.
        """
        made_of = (
            self.digest,
            self.command,
            self.port,
            self.protocol,
            asdict(self.resources),
            self.health.path,
            self.health.command,
            [asdict(mount) for mount in self.mounts],
            env_fingerprint,
            *filter(None, [self.update.stop_signal]),  # releases of before it could be said keep their containers
        )
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def restarted(template: str, restarts: int) -> str:
    """The template that is wanted after so many restarts were asked for: the same, yet of new containers."""
    return hashlib.sha256(f"{template} {restarts}".encode()).hexdigest()[:16] if restarts else template


class AppStatus(enum.StrEnum):
    """How an app is, in one word."""

    PENDING = "pending"  # nothing serves yet
    HEALTHY = "healthy"  # all that is wanted serves
    UPDATING = "updating"  # a change is under way, and it serves
    DEGRADED = "degraded"  # fewer serve than are wanted
    FAILING = "failing"  # none serves
    STOPPED = "stopped"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Release:
    """One numbered snapshot of an app. `template` says which containers satisfy it."""

    number: int
    template: str
    spec: Spec


class Process(enum.StrEnum):
    """What the engine last showed of an instance's container."""

    UNKNOWN = "unknown"  # nothing seen yet, or the engine does not answer
    CREATED = "created"
    RUNNING = "running"
    RESTARTING = "restarting"  # the engine is bringing it back by itself
    PAUSED = "paused"
    EXITED = "exited"
    MISSING = "missing"


class ExecHealth(enum.StrEnum):
    """Docker's own HEALTHCHECK verdict."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Relocate(enum.StrEnum):
    """Why an instance that is as wanted shall nevertheless run elsewhere."""

    DRAIN = "drain"  # its node is emptied
    REBALANCE = "rebalance"  # another node suits it better
    PREEMPTED = "preempted"  # what has a higher priority gets its room

    @property
    def code(self) -> str:
        """That of the reason which is given for it."""
        return {"drain": "node_drained", "rebalance": "rebalanced", "preempted": "displaced"}[self.value]


@dataclass(frozen=True, slots=True)
class Probe:
    """One edge's view of one instance, as HAProxy's checks see it."""

    edge: str
    up: bool
    since: datetime  # when this edge's verdict last changed
    detail: str = ""  # HAProxy's words: "L7STS/500", "L4CON Connection refused"
    sessions: int = 0  # open right now; matters while it is drained


@dataclass(frozen=True, slots=True)
class Instance:
    """One container of a release in a slot of the app, as the store has recorded it.

    `generation` counts up within the app and is never reused, so (slot, generation) names an effect that
    happens at most once. `failures` is how many predecessors in a row failed in this slot.
    """

    id: int
    slot: int
    generation: int
    release: int
    template: str
    state: State
    since: datetime  # when it entered the state
    node: str
    address: str
    claim: Resources
    reachable: bool = True  # whether its node's engine answers
    failures: int = 0
    crashes: int = 0  # how often its engine brought its process back after it had been healthy
    created_at: datetime | None = None
    started_at: datetime | None = None
    healthy_at: datetime | None = None  # when it first was
    process: Process = Process.UNKNOWN
    exit_code: int | None = None
    oom_killed: bool = False  # the kernel killed a process of it at its memory limit, at least once
    exec_health: ExecHealth = ExecHealth.NONE
    drift: Reason | str | None = None  # how the container differs from what Berth made; older rows hold a sentence
    probes: tuple[Probe, ...] = ()  # of live edges only
    endpoint_revision: int | None = None  # etcd's revision from which on its endpoint says what its state wants
    relocate: Relocate | None = None  # another one shall take its place, elsewhere
    reason: Reason | None = None  # why it is in this state

    @property
    def name(self) -> str:
        """Unique within the app: what edges and people call it."""
        return f"{self.slot}-{self.generation}"


@dataclass(frozen=True, slots=True)
class Edge:
    """A live edge (its presence key is held) and the etcd revision up to which it has applied everything."""

    name: str
    applied: int


class OperationKind(enum.StrEnum):
    CREATE = "create"
    DEPLOY = "deploy"
    SCALE = "scale"
    ROLLBACK = "rollback"
    RESTART = "restart"
    STOP = "stop"
    START = "start"
    DELETE = "delete"


class OperationStatus(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (OperationStatus.PENDING, OperationStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Operation:
    """The change request that the app's desired state stems from, while it is under way."""

    id: str
    kind: OperationKind
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Failures:
    """How often in a row an instance in one slot failed, and how the last one did."""

    count: int
    ended_at: datetime
    generation: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Canary:
    """How far a release has got that is tried on a part of the traffic."""

    release: int  # its number
    step: int = 0  # the one of its policy's that it is in; one past the last: all of the traffic is to be its own
    weight: int = 0  # percent of the traffic, as published
    revision: int | None = None  # etcd's, from which on it is
    since: datetime | None = None  # when every live edge had applied that


@dataclass(frozen=True, slots=True)
class AppState:
    """All that one pass of the loop decides from: desired, recorded and observed, read at one moment."""

    id: int
    group: str
    name: str
    running: bool  # False: stopped on request, or being deleted
    deleting: bool
    release: Release
    last_good: Release | None  # the newest release that has served; what a failed update falls back to
    next_generation: int
    instances: tuple[Instance, ...]  # without those that are gone
    failures: Mapping[int, Failures]  # by slot, of instances of the wanted template alone
    edges: tuple[Edge, ...]
    operation: Operation | None
    pending: bool = False  # the last pass found no node for some of its instances
    active: str = ""  # the template whose instances have the traffic
    active_since: datetime | None = None
    nominated: str = ""  # the node on which instances of lower priority make room for it
    stable_failures: Mapping[int, Failures] = field(default_factory=dict)  # by slot, of instances of `last_good`
    canary: Canary | None = None
    promoted: int = 0  # the canary's step that somebody asked for
    measured: tuple[Figures, Figures] | None = None  # of the canary and of the stable release since then, if known
    published_revision: int | None = None  # etcd's, from which on it says what it says of the app
    published_at: datetime | None = None

    def behind(self, revision: int | None) -> str:
        """Who has yet to apply what etcd says from `revision` on; empty when everyone has. None: etcd lacks it still.

        No live edge at all is no consent either: a proxy may well serve on while its agent is away.
        """
        if revision is None:
            return "etcd"
        if not self.edges:
            return "an edge to come back"
        return ", ".join(edge.name for edge in self.edges if edge.applied < revision)

    def patience(self, revision: int | None) -> datetime | None:
        """Until when those who have yet to apply `revision` are waited for; None: for good, since nobody has yet."""
        applied = revision is not None and any(edge.applied >= revision for edge in self.edges)
        if not applied or self.published_at is None:
            return None
        return self.published_at + timedelta(seconds=ACKNOWLEDGE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an edge finds one instance. `draining` endpoints get no new sessions.

    `check` is the path that its health check asks for, which is its own release's; empty: the app's. `release` is the
    number of the release that its traffic counts for. A `canary` gets the share of the traffic that the app's config
    gives to canaries, and nothing else. A draining one on `standby` may get all of the traffic at any moment: it is
    checked like those that serve.
    """

    instance: str  # "<slot>-<generation>", unique within the app
    address: str
    port: int
    draining: bool = False
    check: str = ""
    release: int = 0
    canary: bool = False
    standby: bool = False
