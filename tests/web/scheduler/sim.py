"""A whole cloud in memory: the real reconciler and database, a fake engine, a fake etcd and a simulated edge.

Nothing waits here. The clock is moved by hand, `converge` runs passes and lets the edge look until nothing changes any
more, and `dying` makes the process "die" right before or right after its nth effect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings

from apps.applications.models import App, Instance
from apps.nodes.models import Node
from scheduler import discovery, inspection, reconciler
from scheduler.engine.fake import FakeEngine
from scheduler.etcd_fake import FakeEtcd
from scheduler.lifecycle import State
from scheduler.model import Probe, Process, Resources
from scheduler.world import World

EDGE = "e1"
DIGEST = "sha256:" + "1" * 64


class Died(BaseException):
    """The process was killed here. Not an `Exception`: nothing in the house may catch it."""


@dataclass
class Sim:
    """One node, one edge. `sick` are addresses whose processes answer 500."""

    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    engine: FakeEngine = field(init=False)
    etcd: FakeEtcd = field(init=False)
    sick: set[str] = field(default_factory=set)
    sick_digests: set[str] = field(default_factory=set)
    sessions: dict[str, int] = field(default_factory=dict)
    edge_alive: bool = True

    def __post_init__(self) -> None:
        capacity = Resources(cpu=8000, memory=16 << 30, disk=100 << 30)
        self.engine = FakeEngine(settings.BERTH_INSTALLATION, images={DIGEST}, capacity=capacity)
        self.etcd = FakeEtcd()
        self.world = World(engine=lambda node: self.engine, etcd=self.etcd, now=lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def edge_looks(self) -> None:
        """The edge applies what etcd says and reports what it sees."""
        if not self.edge_alive:
            return
        snapshot = self.etcd.read("")
        running = {c.address: c for c in self.engine.containers() if c.process is Process.RUNNING}
        puts = {
            discovery.presence_key(EDGE): "{}",
            discovery.applied_key(EDGE): str(snapshot.revision),
        }
        for group, app in discovery.published_apps(self.etcd):
            probes = {}
            for name, endpoint in self._endpoints(group, app).items():
                container = running.get(endpoint.address)
                well = container is not None and endpoint.address not in self.sick
                well = well and container.image not in self.sick_digests
                probes[name] = Probe(EDGE, well, self.now, "" if well else "L7STS/500", self.sessions.get(name, 0))
            key = discovery.report_key(EDGE, group, app)
            before = snapshot.values.get(key)
            report = discovery.Report(snapshot.revision, probes)
            if before is None or discovery.load_report(EDGE, before).probes.keys() != probes.keys() or any(
                discovery.load_report(EDGE, before).probes[n].up != p.up for n, p in probes.items()
            ):
                puts[key] = discovery.dump_report(report)
        if snapshot.values.get(discovery.presence_key(EDGE)) and len(puts) == 2:
            applied = int(snapshot.values[discovery.applied_key(EDGE)])
            last = max((snapshot.revision - 1), 0)
            if applied >= last:
                return  # nothing but its own last word is new
        self.etcd.write(puts, ())

    def _endpoints(self, group: str, app: str) -> dict[str, discovery.Endpoint]:
        prefix = discovery.endpoints_prefix(group, app)
        values = self.etcd.read(prefix).values
        return {k.removeprefix(prefix): discovery.load_endpoint(k.removeprefix(prefix), v) for k, v in values.items()}

    def routed(self, app: App) -> set[str]:
        """Addresses that the edge would send requests of this app to right now."""
        return {
            e.address for e in self._endpoints(app.group.name, app.name).values() if not e.draining
        } & self.serving()

    def serving(self) -> set[str]:
        running = [c for c in self.engine.containers() if c.process is Process.RUNNING]
        return {c.address for c in running if c.address not in self.sick and c.image not in self.sick_digests}

    def observe(self) -> None:
        inspection.check_node("n1", self.engine, self.now)

    def round(self) -> None:
        """One look of everyone at everything."""
        self.observe()
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
        return rows, apps, len(self.engine.history)

    # ---- what always holds

    def check_always(self) -> None:
        for node in Node.objects.all():
            present = list(Instance.objects.filter(node=node, gone_at=None))
            for figure in ("cpu", "memory", "disk"):
                held = sum(getattr(i, figure) for i in present)
                assert getattr(node, f"reserved_{figure}") == held
                assert held <= getattr(node, f"capacity_{figure}")
            assert node.reserved_instances == len(present)
        created = [name for method, name in self.engine.history if method == "create"]
        assert len(created) == len(set(created)), "a generation was created twice"
        healthy = set(Instance.objects.filter(state=State.HEALTHY).values_list("healthy_at", flat=True))
        assert None not in healthy

    def check_settled(self) -> None:
        """After convergence nothing is left that belongs to nothing."""
        self.check_always()
        present = {
            (i.app_id, i.generation) for i in Instance.objects.filter(gone_at=None)
        }
        containers = self.engine.containers()
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
