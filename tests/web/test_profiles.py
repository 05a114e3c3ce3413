"""Placement profiles: set by ops for all or for one group, tried before, and obeyed by the loop and by dry runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.applications.models import App, Instance
from apps.events.models import Event
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.placement import words
from apps.placement.models import PlacementProfile
from scheduler import queries
from scheduler.engine.fake import FakeEngine
from scheduler.placement import BALANCED, BINPACK, FRAGMENTATION, SPREAD
from scheduler.placement.profiles import FILTER_NAMES, PRESETS, SCORES
from scheduler.store import reading, running
from tests.web.api import Api, problem
from tests.web.conftest import GIB, IMAGE
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db

ALL, SHOP = "/placement/profile", "/groups/shop/placement/profile"
LOOSE = {"spread": [], "distinct_nodes": "off"}


@pytest.fixture
def admin(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Api:
    return Api(people.admin)


def add_node(name: str = "n2") -> Node:
    return build.node(name, cpu=16_000, capacity_memory=32 * GIB, capacity_instances=100)


def run(group: Group, name: str, *nodes: str) -> App:
    """An app with an instance on each of these nodes."""
    app = build.app(group, name, replicas=len(nodes), placement=LOOSE)
    for slot, node in enumerate(nodes):
        build.assign(app, node, slot)
    return app


def test_instances_are_spread_until_ops_say_otherwise(admin: Api) -> None:
    assert admin.get(ALL).json() == SPREAD.as_dict()
    assert admin.get(SHOP).json() == {**SPREAD.as_dict(), "own": False}
    assert reading.profile("shop") == SPREAD


def test_a_groups_own_profile_comes_before_the_clusters(admin: Api, people: SimpleNamespace, other: Group) -> None:
    assert admin.put(ALL, {"preset": "balanced"}).json()["name"] == "balanced"
    assert admin.put(SHOP, {"preset": "binpack"}).status_code == 200
    assert (reading.profile("shop"), reading.profile("other")) == (BINPACK, BALANCED)
    assert Api(people.viewer).get(SHOP).json() == {**BINPACK.as_dict(), "own": True}
    for _again in range(2):
        assert admin.delete(SHOP).status_code == 204
    assert reading.profile("shop") == BALANCED
    kinds = ["cluster.profile_set", "group.profile_set", "group.profile_unset"]
    assert list(Event.objects.filter(kind__contains="profile").order_by("id").values_list("kind", flat=True)) == kinds


def test_the_profile_costs_one_query(admin: Api, django_assert_num_queries: Any) -> None:
    admin.put(SHOP, {"preset": "binpack"})
    with django_assert_num_queries(1):
        reading.profile("shop")


def test_setting_it_again_keeps_one_for_each(admin: Api) -> None:
    for preset in ("binpack", "spread", "fragmentation"):
        admin.put(ALL, {"preset": preset})
        admin.put(SHOP, {"preset": preset})
    assert PlacementProfile.objects.count() == 2
    assert reading.profile("shop") == FRAGMENTATION


def test_own_weights_are_kept_and_those_of_a_preset_are_the_preset(admin: Api) -> None:
    own = {"weights": {"spread": 7, "room": 0}, "without": ["taints"]}
    assert admin.put(ALL, own).json() == {"name": "custom", **own, "trial": None}
    assert reading.profile("shop").without == {"taints"}
    again = admin.put(ALL, {"weights": {**dict.fromkeys(SCORES, 0), **BINPACK.weights}}).json()
    assert again["name"] == "binpack"


@pytest.mark.parametrize(
    ("profile", "field", "code"),
    [
        ({"preset": "fastest"}, "preset", "invalid_choice"),
        ({"preset": "spread", "weights": {"spread": 1}}, "preset", "not_both"),
        ({}, "weights", "required"),
        ({"weights": {"spread": 0}}, "weights", "required"),
        ({"weights": {"speed": 1}}, "weights.speed", "unknown_score"),
        ({"weights": {"spread": 1001}}, "weights.spread", "out_of_range"),
        ({"weights": {"spread": "much"}}, "weights.spread", "invalid_type"),
        ({"weights": {"spread": 1}, "without": ["resources"]}, "without[0]", "unknown_filter"),
        ({"weights": {"spread": 1}, "without": ["taints", "rain"]}, "without[1]", "unknown_filter"),
        ({"name": "mine", "preset": "spread"}, "name", "unknown_field"),
    ],
)
@pytest.mark.parametrize("where", [ALL, SHOP])
def test_a_wrong_profile_is_refused_by_field(
    admin: Api, where: str, profile: dict[str, Any], field: str, code: str
) -> None:
    refused = problem(admin.put(where, profile))
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [(field, code)]
    assert not PlacementProfile.objects.exists()


def test_what_this_version_knows_nothing_of_is_left_out(admin: Api) -> None:
    weights = {"spread": 5, "of_another_version": 9}
    PlacementProfile.objects.create(weights=weights, without=["taints", "of_another_version"])
    profile = reading.profile("shop")
    assert (dict(profile.weights), profile.without) == ({"spread": 5}, {"taints"})
    PlacementProfile.objects.update(preset="of_another_version")
    assert reading.profile("shop") == SPREAD


def test_a_dry_run_places_by_the_groups_profile(admin: Api) -> None:
    add_node()
    new = {"name": "web", "image": IMAGE, "replicas": 4, "placement": LOOSE}
    for preset, nodes in (("spread", {"n1", "n2"}), ("binpack", {"n1"})):
        admin.put(SHOP, {"preset": preset})
        plan = admin.post("/groups/shop/apps?dry_run=true", new).json()
        assert {create["node"] for create in plan["create"]} == nodes


def test_a_trial_says_what_would_be_elsewhere_and_changes_nothing(admin: Api, group: Group) -> None:
    add_node()
    run(group, "web", "n1", "n2")
    run(group, "api", "n2", "n1")
    before = list(Instance.objects.order_by("id").values_list("node__name", flat=True))
    answer = admin.put(f"{ALL}?dry_run=true", {"preset": "binpack"}).json()
    assert answer["name"] == "binpack"
    trial = answer["trial"]
    assert (trial["now"]["nodes_used"], trial["then"]["nodes_used"], trial["elsewhere"]) == (2, 1, 2)
    assert {row["app"] for row in trial["apps"]} == {"shop/web", "shop/api"}
    assert sum(trial["apps"][0]["then"].values()) == 2
    assert list(Instance.objects.order_by("id").values_list("node__name", flat=True)) == before
    assert not PlacementProfile.objects.exists()
    assert reading.profile("shop") == SPREAD


def test_a_trial_is_about_those_whom_the_profile_would_hold_for(admin: Api, group: Group, other: Group) -> None:
    add_node()
    run(group, "web", "n1", "n2")
    run(other, "web", "n1", "n2")
    admin.put(SHOP, {"preset": "spread"})
    trial = admin.put(f"{ALL}?dry_run=true", {"preset": "binpack"}).json()["trial"]
    assert [row["app"] for row in trial["apps"]] == ["other/web"], "shop has a profile of its own"
    trial = admin.put(f"{SHOP}?dry_run=true", {"preset": "binpack"}).json()["trial"]
    assert [row["app"] for row in trial["apps"]] == ["shop/web"]
    assert trial["then"]["placed"] == 2


def test_what_would_find_no_node_any_more_is_pending_in_a_trial(admin: Api, group: Group) -> None:
    run(group, "web", "n1")
    Node.objects.update(taints=[{"key": "gpu", "value": "", "soft": False}])
    trial = admin.put(f"{ALL}?dry_run=true", {"preset": "binpack"}).json()["trial"]
    assert (trial["now"]["pending"], trial["then"]["pending"]) == (0, 1)
    free = {"weights": {"spread": 1}, "without": ["taints"]}
    assert admin.put(f"{ALL}?dry_run=true", free).json()["trial"]["then"]["pending"] == 0


def test_too_much_to_try_is_said(admin: Api, group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    run(group, "web", "n1", "n1")
    monkeypatch.setattr(queries, "MOST_TRIED", 1)
    assert problem(admin.put(f"{ALL}?dry_run=true", {"preset": "binpack"}))["code"] == "too_many_instances"


def test_what_runs_is_read_by_apps_with_what_it_claims(admin: Api, group: Group) -> None:
    app = run(group, "web", "n1", "n1")
    Instance.objects.filter(app=app, slot=1).update(cpu=700)
    first, second = running.instances()
    assert (first.request.app, first.node, first.healthy) == ("shop/web", "n1", False)
    assert (first.request.resources.cpu, second.request.resources.cpu) == (1000, 700)
    assert running.instances(of="other") == running.instances(but=["shop"]) == []


def test_the_choices_are_described(admin: Api) -> None:
    choices = admin.get("/placement/choices").json()
    assert [preset["name"] for preset in choices["presets"]] == list(PRESETS)
    assert [score["name"] for score in choices["scores"]] == list(SCORES)
    assert {one["name"] for one in choices["filters"] if not one["can_be_left_out"]} >= {"state", "resources"}


def test_every_preset_score_and_filter_has_words() -> None:
    assert set(words.PRESETS) == set(PRESETS)
    assert set(words.SCORES) == set(SCORES)
    assert set(words.FILTERS) == set(FILTER_NAMES)


@pytest.fixture
def reader(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Client:
    client = Client()
    client.force_login(people.admin)
    return client


@pytest.mark.parametrize("url", ["/placement/", "/groups/shop/placement"])
def test_ops_try_and_set_a_profile_in_the_panel(reader: Client, group: Group, url: str) -> None:
    add_node()
    run(group, "web", "n1", "n2")
    tried = reader.post(url, {"preset": "binpack", "try": "1"}).text
    assert "1 instance would be on another node" in tried
    assert not PlacementProfile.objects.exists()
    assert reader.post(url, {"preset": "binpack"})["Location"] == url
    assert reading.profile("shop") == BINPACK
    assert '<option value="binpack" selected>' in reader.get(url).text
    own = {"preset": "custom", "weight-spread": "9", "without-taints": "on"}
    assert reader.post(url, own).status_code == 302
    assert (dict(reading.profile("shop").weights)["spread"], reading.profile("shop").without) == (9, {"taints"})


def test_a_wrong_weight_is_said_at_its_field(reader: Client) -> None:
    answer = reader.post("/placement/", {"preset": "custom", "weight-spread": "1001"})
    assert answer.status_code == 422
    assert 'id="id_weight-spread_error"' in answer.text
    nothing = reader.post("/placement/", {"preset": "custom"})
    assert "Something has to count" in nothing.text


def test_a_group_goes_back_to_the_clusters_profile(reader: Client, people: SimpleNamespace) -> None:
    reader.post("/groups/shop/placement", {"preset": "binpack"})
    assert "Back to the profile of the cluster" in reader.get("/groups/shop/placement").text
    assert "/groups/shop/placement" in reader.get("/placement/").text
    unset = reverse("unset-profile", args=["shop"])
    member = Client()
    member.force_login(people.owner)
    assert member.get("/groups/shop/placement").status_code == 403
    assert member.post(unset).status_code == 403
    assert reader.post(unset).status_code == 302
    assert reading.profile("shop") == SPREAD
