"""A whole cloud in memory: the real reconciler and database, a fake engine, a fake etcd and a simulated edge.

Nothing waits here. The clock is moved by hand, `converge` runs passes and lets the edge look until nothing changes any
more, and `dying` makes the process "die" right before or right after its nth effect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from django.conf import settings

from apps.applications.models import App, Instance
from apps.groups.models import Group
from apps.nodes.models import Node
from scheduler import discovery, inspection, reconciler, relocation
from scheduler.engine.base import ContainerSpec, Labels, NetworkSpec
from scheduler.engine.fake import FakeEngine
from scheduler.engine.fakemachine import Record
from scheduler.etcd_fake import FakeEtcd
from scheduler.lifecycle import State
from scheduler.model import Probe, Process, Resources
from scheduler.store import reading
from scheduler.store.cluster import KeptCluster
from scheduler.traffic.source import FakeSource
from scheduler.world import World

EDGE = "e1"
DIGEST = "sha256:" + "1" * 64
OTHER = "web@sha256:" + "2" * 64


class Died(BaseException):
    """The process was killed here. Not an `Exception`: nothing in the house may catch it."""


@dataclass
class Sim:
    """Nodes, of which most tests need one, and one edge. `sick` are addresses whose processes answer 500.

    `engine` is that of the first node; `engines` has all of them, by node.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # rows get some of their times from the database
    nodes: tuple[str, ...] = ("n1",)
    engine: FakeEngine = field(init=False)
    engines: dict[str, FakeEngine] = field(init=False)
    etcd: FakeEtcd = field(init=False)
    traffic: FakeSource = field(init=False)
    sick: set[str] = field(default_factory=set)
    sick_digests: set[str] = field(default_factory=set)
    sessions: dict[str, int] = field(default_factory=dict)
    edge_alive: bool = True

    def __post_init__(self) -> None:
        self.engines = {}
        for name in self.nodes:
            self.join(name)
        self.engine = self.engines[self.nodes[0]]
        self.etcd = FakeEtcd()
        self.traffic = FakeSource()
        self.world = World(self.engines.__getitem__, self.etcd, lambda: self.now, KeptCluster(), self.traffic)

    def join(self, node: str, cpu: int = 8000) -> None:
        """Another engine; its node is the caller's to make."""
        capacity = Resources(cpu=cpu, memory=16 << 30, disk=100 << 30)
        self.engines[node] = FakeEngine(settings.BERTH_INSTALLATION, name=node, images={DIGEST}, capacity=capacity)

    def records(self) -> list[Record]:
        return [record for engine in self.engines.values() for record in engine.records.values()]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def edge_looks(self) -> None:
        """The edge applies what etcd says and reports what it sees; it writes only what changed."""
        if not self.edge_alive or self.etcd.down:
            return
        values = dict(self.etcd.read("").values)
        clock = self.etcd.read(discovery.CLOCK).written
        serving = self.serving()
        puts = {
            discovery.presence_key(EDGE): "{}",
            discovery.applied_key(EDGE): discovery.dump_applied(clock, values.get(discovery.EPOCH, "")),
        }
        for group, app in discovery.published_apps(self.etcd):
            probes = {}
            for name, endpoint in self._endpoints(group, app).items():
                well = endpoint.address in serving
                detail, sessions = "" if well else "L7STS/500", self.sessions.get(name, 0)
                probes[name] = Probe(EDGE, well, self.now, detail, sessions)
            key = discovery.report_key(EDGE, group, app)
            said = discovery.load_report(EDGE, values[key]).probes if key in values else {}
            same = {n: (p.up, p.sessions) for n, p in said.items()} == {
                n: (p.up, p.sessions) for n, p in probes.items()
            }
            if key not in values or not same:
                puts[key] = discovery.dump_report(discovery.Report(clock, probes))
        self.etcd.write({key: value for key, value in puts.items() if values.get(key) != value})

    def _endpoints(self, group: str, app: str) -> dict[str, discovery.Endpoint]:
        prefix = discovery.endpoints_prefix(group, app)
        values = self.etcd.read(prefix).values
        return {k.removeprefix(prefix): discovery.load_endpoint(k.removeprefix(prefix), v) for k, v in values.items()}

    def routed(self, app: App) -> set[str]:
        """Addresses that the edge would send requests of this app to right now."""
        ends = self._endpoints(app.group.name, app.name).values()
        return {e.address for e in ends if not e.draining and not e.canary} & self.serving()

    def share(self, app: App) -> tuple[int, set[str]]:
        """The percentage of the traffic that the edge would give to a canary, and the addresses that would get it."""
        values = self.etcd.read(discovery.config_key(app.group.name, app.name)).values
        split = discovery.load_config(next(iter(values.values()))).canary if values else None
        ends = self._endpoints(app.group.name, app.name).values()
        tried = {e.address for e in ends if e.canary and not e.draining} & self.serving()
        return (split.weight if split and tried else 0), tried

    def serving(self) -> set[str]:
        up = [record for record in self.records() if record.shown.process is Process.RUNNING]
        well = (record for record in up if record.spec.digest not in self.sick_digests)
        return {record.shown.address for record in well} - self.sick

    def observe(self) -> None:
        for name, engine in self.engines.items():
            inspection.check_node(name, engine, self.now)

    def round(self) -> None:
        """One look of everyone at everything."""
        self.observe()
        relocation.drain(self.world)
        for app_id in list(App.objects.values_list("id", flat=True)):
            reconciler.reconcile(app_id, self.world)
        self.edge_looks()

    def converge(self, seconds: float = 120, step: float = 2.0) -> None:
        """Rounds until a whole one changes nothing, moving the clock as needed."""
        for _ in range(int(seconds / step)):
            before = self.fingerprint()
            self.round()
            if self.fingerprint() == before and all(App.objects.values_list("settled", flat=True)):
                return
            self.pass_time(step)

    def fingerprint(self) -> object:
        rows = list(Instance.objects.order_by("id").values_list("id", "state", "process"))
        apps = list(App.objects.order_by("id").values_list("id", "release_id", "settled", "status"))
        marks = list(Instance.objects.exclude(relocate="").order_by("id").values_list("id", "relocate"))
        return rows, apps, marks, [len(engine.history) for engine in self.engines.values()]

    # ---- what is there that Berth did not make

    def stray_container(self, app: App) -> str:
        """A container with Berth's labels that no row knows of. Returns its name."""
        labels = Labels(settings.BERTH_INSTALLATION, app.group.name, app.name, app.id, 0, 999, 1, "t")
        return self._add(labels, reading.network_name(app.group.name), str(ip_network(app.group.subnet)[-2]))

    def foreign_container(self) -> str:
        """A container of another installation. Returns its name."""
        self.engine.add_network_behind_back(NetworkSpec(Labels("elsewhere", "theirs"), "elsewhere", "192.168.77.0/24"))
        return self._add(Labels("elsewhere", "theirs", "app", 1, 0, 1, 1, "t"), "elsewhere", "192.168.77.2")

    def _add(self, labels: Labels, network: str, address: str) -> str:
        container = ContainerSpec(labels, DIGEST, (), {}, network, address, (), Resources(100, 64 << 20, 0, 1))
        self.engine.add_behind_back(container)
        return container.name

    def take_address(self, group: Group, host: int) -> None:
        """Something else is attached to the group's network, at its host number `host`."""
        labels = Labels("elsewhere", "theirs", "squatter", 1, 0, 1, 1, "t")
        network = reading.network_spec(group.name)
        self.engine.add_network_behind_back(network)
        self._add(labels, network.name, str(ip_network(network.subnet)[host]))

    def take_subnet(self, group: Group) -> None:
        """A network that is not Berth's overlaps with the group's."""
        self.engine.add_network_behind_back(NetworkSpec(Labels("elsewhere", "theirs"), "elsewhere", group.subnet))

    # ---- what always holds

    def check_always(self) -> None:
        for node in Node.objects.all():
            present = list(Instance.objects.filter(node=node, gone_at=None))
            for figure in ("cpu", "memory", "disk"):
                held = sum(getattr(i, figure) for i in present)
                assert getattr(node, f"reserved_{figure}") == held
                assert held <= getattr(node, f"capacity_{figure}")
            assert node.reserved_instances == len(present)
        labels = [record.spec.labels for record in self.records()]
        made = [(each.app_id, each.generation) for each in labels]
        assert len(made) == len(set(made)), "an instance has two containers"
        healthy = set(Instance.objects.filter(state=State.HEALTHY).values_list("healthy_at", flat=True))
        assert None not in healthy

    def check_settled(self) -> None:
        """After convergence nothing is left that belongs to nothing."""
        self.check_always()
        present = {(i.app_id, i.generation) for i in Instance.objects.filter(gone_at=None)}
        containers = [container for engine in self.engines.values() for container in engine.containers()]
        assert {(c.labels.app_id, c.labels.generation) for c in containers} == present
        assert all(c.process is Process.RUNNING for c in containers)
        names = set(App.objects.values_list("group__name", "name"))
        assert set(discovery.published_apps(self.etcd)) == names
        for app in App.objects.select_related("group", "release"):
            wanted = app.release.spec["replicas"] if app.running else 0
            rows = Instance.objects.filter(app=app, gone_at=None)
            assert rows.count() == wanted
            assert {i.address for i in rows} == self.routed(app)
            assert {i.slot for i in rows} == set(range(wanted))
            assert not rows.exclude(relocate="").exists()
            assert not rows.filter(node__draining=True).exists()


@contextlib.contextmanager
def dying(engine: FakeEngine, at: int, *, after: bool = False) -> Iterator[Callable[[], bool]]:
    """Die at the engine's nth call from now, before it takes effect or after. Yields whether it happened."""
    count = 0

    def hook(method: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Died(method)

    name = "after_effect" if after else "before_effect"
    setattr(engine, name, hook)
    try:
        yield lambda: count >= at
    finally:
        setattr(engine, name, lambda method: None)
