"""What specs ask of nodes, on its way to the placement."""

from __future__ import annotations

import pytest

from apps.applications import releases
from apps.applications.models import AntiAffinity, App, Instance
from apps.nodes.models import Node
from scheduler import queries, wake, world
from scheduler.lifecycle import State
from scheduler.model import Release
from scheduler.placement import SPREAD, Affinity, Bond, Request
from scheduler.reasons import text
from scheduler.store import reading
from scheduler.store.cluster import KeptCluster
from tests.web.scheduler import build
from tests.web.scheduler.sim import Sim

pytestmark = pytest.mark.django_db(transaction=True)


def request(app: App, count: int = 1) -> Request:
    spec = releases.Content.of(App.objects.get(pk=app.pk).release).value
    return reading.request(app.group.name, app.name, spec, count)


def apart(*others: str) -> dict[str, object]:
    return {"anti_affinity": [{"app": other} for other in others]}


def test_apps_are_asked_for_by_their_name_in_the_group():
    wish = {"weight": 2, "affinity": [{"app": "cache", "label": "zone"}]}
    app = build.app(build.group(), placement={"affinity": [{"app": "db"}], "prefer": ["zone == a", wish]})
    asked = request(app)
    assert asked.constraints.affinities == (Affinity(Bond.WITH, "team/db"),)
    assert asked.rules.prefer == ("zone == a",)
    [preference] = asked.preferences
    assert (preference.weight, preference.constraints.affinities) == (2, (Affinity(Bond.WITH, "team/cache", "zone"),))


def test_an_anti_affinity_holds_for_the_other_app_too_and_for_no_other_group():
    team, other = build.group(), build.group("other")
    build.app(team, "web", placement=apart("batch"))
    batch, namesake = build.app(team, "batch"), build.app(other, "batch")
    assert request(batch).constraints.affinities == (Affinity(Bond.APART, "team/web"),)
    assert request(namesake).constraints.affinities == ()


def test_an_anti_affinity_ends_with_the_release_that_had_it():
    team = build.group()
    web, batch = build.app(team, "web", placement=apart("batch", "db")), build.app(team, "batch")
    build.deploy(web, placement=apart("db", "web"))
    assert request(batch).constraints.affinities == ()
    assert list(AntiAffinity.objects.values_list("other", flat=True)) == ["db"], "itself is not another app"


def test_apps_apart_are_placed_apart_whichever_comes_first():
    for name in ("n1", "n2"):
        build.node(name)
    team = build.group()
    web, batch = build.app(team, "web", placement=apart("batch")), build.app(team, "batch")
    build.assign(web, "n1")
    assert set(KeptCluster().place(request(batch, 4), SPREAD).nodes) == {"n2"}
    Instance.objects.all().delete()
    build.assign(batch, "n1")
    assert set(KeptCluster().place(request(web, 4), SPREAD).nodes) == {"n2"}


def test_apps_together_wait_for_the_one_that_they_want_to_be_with():
    for name in ("n1", "n2"):
        build.node(name)
    team = build.group()
    web = build.app(team, "web", placement={"affinity": [{"app": "db"}]})
    refused = KeptCluster().place(request(web), SPREAD)
    assert refused.nodes == ()
    assert "team/db" in str(refused.explanation.summary())
    build.assign(build.app(team, "db"), "n2")
    assert KeptCluster().place(request(web), SPREAD).nodes == ("n2",)


def test_an_app_that_waits_for_another_is_looked_at_when_that_is_placed(monkeypatch: pytest.MonkeyPatch):
    build.node()
    team, other = build.group(), build.group("other")
    web, db = build.app(team, "web", placement={"affinity": [{"app": "db"}]}), build.app(team, "db")
    stranger = build.app(other, "web")
    App.objects.filter(pk__in=[web.pk, stranger.pk, db.pk]).update(settled=False, explanation={"summary": "waits"})
    woken: list[int] = []
    monkeypatch.setattr(wake, "reconcile", woken.append)
    build.assign(db, "n1")
    assert woken == [web.pk]


def test_new_rules_leave_what_runs_alone_and_hold_for_what_comes():
    build.node()
    sim = Sim()
    app = build.app(build.group(), replicas=2)
    sim.converge()
    before = set(Instance.objects.values_list("generation", flat=True))
    build.deploy(app, replicas=2, placement={"nodes": ["n9"]})
    sim.converge()
    assert set(Instance.objects.values_list("generation", flat=True)) == before
    build.deploy(app, replicas=3, placement={"nodes": ["n9"]})
    sim.round()
    assert set(Instance.objects.values_list("generation", flat=True)) == before
    assert "not among n9" in text(App.objects.get().explanation["summary"])


def test_an_instance_is_replaced_where_it_runs_unless_it_failed_there():
    for name in ("n1", "n2", "n3"):
        build.node(name)
    app = build.app(build.group(), replicas=2)
    for slot, node in enumerate(("n2", "n3")):
        build.assign(app, node, slot)
    asked = reading.replacing(build.state(app), [0])
    assert (asked.count, asked.stay, asked.avoid) == (1, {"n2"}, frozenset())
    assert KeptCluster().place(reading.replacing(build.state(app), [0]), SPREAD).nodes == ("n1",), (
        "spreading weighs more"
    )
    Instance.objects.filter(slot=0).update(failed=True, state=State.WITHDRAWN)
    asked = reading.replacing(build.state(app), [0, 1])
    assert (asked.stay, asked.avoid) == ({"n3"}, {"n2"})
    Node.objects.filter(name="n1").update(cordoned=True)
    assert KeptCluster().place(reading.replacing(build.state(app), [0]), SPREAD).nodes == ("n3",), "even beside another"


def test_a_dry_run_places_by_the_constraints(monkeypatch: pytest.MonkeyPatch):
    for name in ("n1", "n2"):
        build.node(name)
    monkeypatch.setattr(world, "etcd", lambda: None)
    build.group()
    content = build.content(replicas=3, placement={"nodes": ["n2"], "at_most": [{"label": "node", "most": 2}]})
    plan = queries.preview("team", "web", None, Release(1, content.template, content.value), running=True)
    assert [create["node"] for create in plan["create"]] == ["n2", "n2", None]
    assert plan["pending"] == 1
