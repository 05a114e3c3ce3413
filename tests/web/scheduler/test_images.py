"""What engines say of their images, on its way to the placement."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.applications.models import Instance
from apps.nodes.models import Node, NodeImages
from apps.placement.models import PlacementProfile
from scheduler import inspection, queries, reconciler, world
from scheduler.engine.base import EngineFault
from scheduler.lifecycle import State
from scheduler.placement import Profile
from scheduler.store import images
from scheduler.store.cluster import KeptCluster
from tests.web.scheduler import build
from tests.web.scheduler.sim import DIGEST, Sim

pytestmark = pytest.mark.django_db(transaction=True)

REGISTRY = "registry.example/web@sha256:" + "2" * 64
MIB = 1 << 20


@pytest.fixture
def sim() -> Sim:
    for name in ("n1", "n2", "n3"):
        build.node(name)
    return Sim(nodes=("n1", "n2", "n3"))


def known(node: str) -> dict[str, int]:
    return NodeImages.objects.get(node__name=node).sizes


def use(profile: Profile) -> None:
    PlacementProfile.objects.create(group=None, weights=dict(profile.weights), without=list(profile.without))


def test_a_look_at_an_engine_tells_its_images(sim: Sim) -> None:
    sim.engine.images.add(REGISTRY)
    sim.engine.sizes[REGISTRY] = 700 * MIB
    sim.observe()
    assert known("n1") == {DIGEST: MIB, REGISTRY: 700 * MIB}
    assert known("n2") == {DIGEST: MIB}
    sim.engine.images.remove(REGISTRY)
    sim.observe()
    assert known("n1") == {DIGEST: MIB}


def test_a_look_that_finds_the_same_writes_nothing(sim: Sim) -> None:
    sim.observe()
    before = list(Node.objects.values_list("name", "changed_at"))
    with CaptureQueriesContext(connection) as asked:
        images.record("n1", sim.engine.image_sizes())
    assert len(asked) == 1
    assert list(Node.objects.values_list("name", "changed_at")) == before


def test_the_kept_cluster_hears_of_images_and_asks_no_further_query(sim: Sim) -> None:
    kept = KeptCluster()
    kept.nodes()
    Node.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    with CaptureQueriesContext(connection) as idle:
        kept.nodes()
    images.record("n2", {REGISTRY: 9})
    images.record("n3", {REGISTRY: 9})
    with CaptureQueriesContext(connection) as changed:
        found = {node.name: node.images for node in kept.nodes()}
    assert found == {"n1": {}, "n2": {REGISTRY: 9}, "n3": {REGISTRY: 9}}
    assert len(changed) == len(idle) + 1, "the counts of instances on what changed, as ever"


def test_of_very_many_images_the_largest_are_kept(sim: Sim) -> None:
    images.record("n1", {f"sha256:{n:064}": n for n in range(images.MOST + 50)})
    assert sorted(known("n1").values()) == list(range(50, images.MOST + 50))


def test_a_node_that_was_removed_meanwhile_is_no_trouble(sim: Sim) -> None:
    Node.objects.filter(name="n1").delete()
    images.record("n1", {REGISTRY: 9})
    assert not NodeImages.objects.exists()


def test_an_engine_that_does_not_list_images_is_a_good_node_all_the_same(sim: Sim) -> None:
    def refuse(method: str) -> None:
        if method == "image_sizes":
            raise EngineFault("no space left on device")

    sim.observe()
    sim.engine.before_effect = refuse
    assert inspection.check_node("n1", sim.engine, sim.now)
    assert known("n1") == {DIGEST: MIB}, "what it said before"


def test_what_the_loop_fetched_is_known_at_once(sim: Sim) -> None:
    app = build.app(build.group(), digest=REGISTRY, replicas=1, placement={"require": ["node == n2"]})
    reconciler.reconcile(app.id, sim.world)
    assert known("n2") == {DIGEST: MIB, REGISTRY: MIB}


def test_an_instance_starts_though_its_engine_does_not_list_what_it_fetched(sim: Sim) -> None:
    def refuse(method: str) -> None:
        if method == "image_sizes":
            raise EngineFault("no space left on device")

    sim.engines["n2"].before_effect = refuse
    app = build.app(build.group(), digest=REGISTRY, replicas=1, placement={"require": ["node == n2"]})
    reconciler.reconcile(app.id, sim.world)
    assert Instance.objects.get(app=app).state == State.STARTED
    assert not NodeImages.objects.filter(node__name="n2").exists()


def test_the_second_instance_goes_where_the_first_one_brought_the_image(
    sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes are alike, and the profile looks at images alone; by name, the second would go to the first node."""
    use(Profile("images", {"image": 2}))
    for engine in sim.engines.values():
        engine.sizes[REGISTRY] = 300 * MIB
    app = build.app(build.group(), digest=REGISTRY, replicas=1, placement={"require": ["node == n2"]})
    sim.converge()
    assert [name for name, _ in sim.engines["n2"].history].count("pull") == 1
    assert REGISTRY in known("n2")
    build.deploy(app, digest=REGISTRY, replicas=2, placement={"distinct_nodes": "off"})
    sim.converge()
    there = Instance.objects.filter(app=app, gone_at=None, state=State.HEALTHY)
    assert set(there.values_list("node__name", flat=True)) == {"n2"}
    assert not any(effect == "pull" for node in ("n1", "n3") for effect, _ in sim.engines[node].history)
    monkeypatch.setattr(world, "cluster", lambda: sim.world.cluster)
    explained = queries.explain(app.id)
    assert explained is not None
    said = {report.node: str(report.scores[0].detail) for report in explained.explanation.nodes}
    assert said == {"n1": "300 MiB to fetch", "n2": "has it", "n3": "300 MiB to fetch"}
