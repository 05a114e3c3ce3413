"""Why an app is where it is, or nowhere: in the API, in dry runs and on its page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from apps.applications.models import App
from apps.groups.models import Group
from apps.nodes.models import Node
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api, problem
from tests.web.conftest import GIB, IMAGE
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db

WHERE = "/groups/shop/apps/web/placement"
PAGE = "/groups/shop/apps/web/placement"


@pytest.fixture
def viewer(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Api:
    for name, zone in (("n2", "a"), ("n3", "b")):
        build.node(name, cpu=16_000, capacity_memory=32 * GIB, capacity_instances=100, labels={"zone": zone})
    return Api(people.viewer)


def app(of: Group, name: str = "web", **spec: Any) -> App:
    return build.app(of, name, **spec)


def test_every_node_says_yes_or_no_with_figures_and_points(viewer: Api, group: Group) -> None:
    web = app(group, replicas=2, placement={"require": ["zone == a"]})
    build.assign(web, "n2")
    Node.objects.filter(name="n3").update(cordoned=True)
    found = viewer.get(WHERE).json()
    assert (found["wanted"], found["missing"], found["fitting"], found["nodes_in_all"]) == (2, 1, 1, 3)
    assert (found["summary"], found["shortages"], found["remedies"], found["next"]) == ("", [], [], None)
    best, *others = found["nodes"]
    assert (best["node"], best["here"], best["fits"]) == ("n2", 1, True)
    assert [node["node"] for node in others] == ["n1", "n3"], "fewest reasons against first"
    details = {verdict["detail"]: verdict["fits"] for verdict in best["verdicts"]}
    assert details["needs zone == a, zone is a"]
    assert details["cpu: needs 0.25 cores, 15 cores free of 16 cores"]
    assert details["memory: needs 64 MiB, 31.94 GiB free of 32 GiB"]
    wrong = [verdict["detail"] for verdict in others[1]["verdicts"] if not verdict["fits"]]
    assert wrong == ["the node is cordoned", "needs zone == a, zone is b"]
    assert best["total"] == sum(score["points"] * score["weight"] for score in best["scores"])
    weights = {score["name"]: score["weight"] for score in best["scores"]}
    assert weights["spread"] == found["profile"]["weights"]["spread"] == 20


def test_what_is_pending_says_how_many_nodes_lack_what_and_what_would_help(viewer: Api, group: Group) -> None:
    Node.objects.update(capacity_memory=2 * GIB)
    app(group, replicas=2, resources={"memory": "3GiB"}, placement={"require": ["zone == a"]})
    found = viewer.get(WHERE).json()
    assert (found["wanted"], found["missing"], found["fitting"]) == (2, 2, 0)
    assert found["summary"].startswith("0 of 3 nodes fit: memory short on 3")
    counts = {shortage["subject"]: (shortage["nodes"], shortage["alone"]) for shortage in found["shortages"]}
    assert counts == {"memory": (3, 1), "zone == a": (2, 0)}
    assert "1 GiB less memory (on node n2)" in found["remedies"]


def test_what_helps_does_help(viewer: Api, people: SimpleNamespace, group: Group) -> None:
    web = app(group, placement={"tolerations": [{"key": "old"}]})
    Node.objects.update(taints=[{"key": "gpu", "value": "yes", "soft": False}])
    assert "a toleration of gpu=yes" in viewer.get(WHERE).json()["remedies"]
    build.deploy(web, placement={"tolerations": [{"key": "gpu", "value": "yes"}]})
    assert viewer.get(WHERE).json()["fitting"] == 3


def test_nodes_come_in_pages_and_one_by_one(viewer: Api, group: Group) -> None:
    app(group)
    first = viewer.get(f"{WHERE}?limit=2").json()
    second = viewer.get(first["next"]).json()
    assert (len(first["nodes"]), len(second["nodes"]), second["next"]) == (2, 1, None)
    assert {node["node"] for node in [*first["nodes"], *second["nodes"]]} == {"n1", "n2", "n3"}
    alone = viewer.get(f"{WHERE}?node=n3").json()
    assert ([node["node"] for node in alone["nodes"]], alone["nodes_in_all"]) == (["n3"], 3)
    assert problem(viewer.get(f"{WHERE}?node=n9"))["status"] == 404
    assert problem(viewer.get(f"{WHERE}?cursor=x"))["errors"][0]["field"] == "cursor"
    assert problem(viewer.get(f"{WHERE}?limit=0"))["errors"][0]["field"] == "limit"


def test_it_is_about_what_is_wanted_now_and_the_groups_profile(
    viewer: Api, people: SimpleNamespace, group: Group
) -> None:
    web = app(group)
    build.deploy(web, placement={"nodes": ["n3"]})
    Api(people.admin).put("/groups/shop/placement/profile", {"preset": "binpack"})
    found = viewer.get(WHERE).json()
    assert [node["node"] for node in found["nodes"] if node["fits"]] == ["n3"]
    assert found["profile"]["name"] == "binpack"


def test_nothing_of_other_groups_is_told(viewer: Api, people: SimpleNamespace, group: Group, other: Group) -> None:
    app(group, placement={"anti_affinity": [{"app": "batch"}]})
    secret = app(other, "secret", placement={"anti_affinity": [{"app": "web"}]})
    build.assign(app(other, "batch"), "n1")
    build.assign(secret, "n2")
    response = viewer.get(WHERE)
    assert response.json()["fitting"] == 3
    assert b"other/" not in response.content
    assert b"secret" not in response.content
    assert Api(people.outsider).get(WHERE).status_code == 404


def test_without_nodes_there_is_nothing_to_say_but_that(viewer: Api, group: Group) -> None:
    app(group)
    Node.objects.all().delete()
    found = viewer.get(WHERE).json()
    assert (found["summary"], found["nodes"], found["nodes_in_all"]) == ("there are no nodes", [], 0)


def test_dry_runs_carry_the_explanation(viewer: Api, people: SimpleNamespace, group: Group) -> None:
    developer = Api(people.developer)
    new = {"name": "web", "image": IMAGE, "placement": {"affinity": [{"app": "db"}]}}
    plan = developer.post("/groups/shop/apps?dry_run=true", new).json()
    assert plan["pending"] == 1
    assert "not on the same node as shop/db on 3" in plan["explanation"]["summary"]
    plan = developer.post("/groups/shop/apps?dry_run=true", {"name": "web", "image": IMAGE}).json()
    assert plan["pending"] == 0
    assert [node["fits"] for node in plan["explanation"]["nodes"]] == [True, True, True]


@pytest.fixture
def reader(viewer: Api, people: SimpleNamespace) -> Client:
    client = Client()
    client.force_login(people.viewer)
    return client


def test_the_page_shows_verdicts_points_and_remedies(reader: Client, group: Group) -> None:
    web = app(group, placement={"require": ["zone == a"]})
    build.assign(web, "n2")
    page = reader.get(PAGE).text
    assert "1 of 3 nodes would take one more instance" in page
    assert "needs zone == a, zone is b" in page
    assert "1 instance here" in page
    build.deploy(web, placement={"require": ["zone == c"]})
    page = reader.get(PAGE).text
    assert "No node would take one more instance" in page
    assert "zone == c on node n1" in page


def test_the_page_takes_one_page_of_nodes_at_a_time(reader: Client, group: Group) -> None:
    app(group)
    for number in range(10, 60):
        build.node(f"n{number}")
    first, last = reader.get(PAGE).text, reader.get(f"{PAGE}?page=3").text
    assert (first.count("<summary><span"), last.count("<summary><span")) == (25, 3)
    assert "1 / 3" in first
    assert reader.get(f"{PAGE}?page=99").text.count("<summary><span") == 3
    one = reader.get(f"{PAGE}?node=n59").text
    assert (one.count("<summary><span"), "n59" in one) == (1, True)
    assert "There is no node of this name." in reader.get(f"{PAGE}?node=n99").text
    assert reader.get(f"{PAGE}?page=-1&node=").status_code == 200
