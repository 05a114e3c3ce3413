"""Priority classes: made by ops, named by specs, known to the placement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.applications.models import App, Release
from apps.events.models import Event
from apps.groups import services as groups
from apps.groups.models import Group
from apps.placement.models import PriorityClass
from scheduler.engine.fake import FakeEngine
from scheduler.store import reading, running
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE
from tests.web.scheduler import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Api:
    return Api(people.admin)


@pytest.fixture
def developer(people: SimpleNamespace, admin: Api) -> Api:
    return Api(people.developer)


def test_ops_make_change_and_delete_classes(admin: Api) -> None:
    made = admin.post("/priorities", {"name": "business", "value": 100})
    assert (made.status_code, made["Location"]) == (201, "/api/v1/priorities/business")
    shown = made.json()
    assert (shown["value"], shown["protected"], shown["groups"]) == (100, False, None)
    assert problem(admin.post("/priorities", {"name": "business", "value": 1}))["code"] == "priority_exists"
    changed = admin.put("/priorities/business", {"value": -5, "protected": True, "groups": ["shop"]}).json()
    assert (changed["value"], changed["protected"], changed["groups"]) == (-5, True, ["shop"])
    assert admin.delete("/priorities/business").status_code == 204
    assert problem(admin.get("/priorities/business"))["status"] == 404
    kinds = ["priority.created", "priority.changed", "priority.deleted"]
    assert (
        list(Event.objects.filter(kind__startswith="priority").order_by("id").values_list("kind", flat=True)) == kinds
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "High", "value": 1}, "name"),
        ({"name": "high"}, "value"),
        ({"name": "high", "value": "much"}, "value"),
        ({"name": "high", "value": 1_000_001}, "value"),
        ({"name": "high", "value": 1, "groups": ["shop", "nowhere"]}, "groups[1]"),
        ({"name": "high", "value": 1, "preempts": True}, "preempts"),
    ],
)
def test_a_wrong_class_is_refused_by_field(admin: Api, wrong: dict[str, Any], field: str) -> None:
    assert [error["field"] for error in problem(admin.post("/priorities", wrong))["errors"]] == [field]
    assert not PriorityClass.objects.exists()


def test_an_app_names_its_class_and_the_placement_knows_what_it_is_worth(admin: Api, developer: Api) -> None:
    admin.post("/priorities", {"name": "business", "value": 100, "protected": True})
    new = {"name": "web", "image": IMAGE, "priority": "business"}
    assert developer.post("/groups/shop/apps", new).status_code == 202
    app = App.objects.get()
    assert developer.get("/groups/shop/apps/web").json()["spec"]["priority"] == "business"
    spec = reading.app_state(app.pk, (), {}).release.spec
    assert reading.request("shop", "web", spec, 1).priority == 100
    build.assign(app, "n1")
    [one] = running.instances()
    assert (one.request.priority, one.protected) == (100, True)
    admin.put("/priorities/business", {"value": 50})
    [one] = running.instances()
    assert (one.request.priority, one.protected) == (50, False), "a change holds for what runs"


def test_an_app_without_a_class_is_worth_nothing_special(admin: Api, developer: Api) -> None:
    developer.post("/groups/shop/apps", {"name": "web", "image": IMAGE})
    app = App.objects.get()
    build.assign(app, "n1")
    [one] = running.instances()
    assert (one.request.priority, one.protected) == (0, False)


def test_another_class_makes_a_release_and_no_new_container(admin: Api, developer: Api) -> None:
    admin.post("/priorities", {"name": "business", "value": 100})
    developer.post("/groups/shop/apps", {"name": "web", "image": IMAGE})
    developer.patch("/groups/shop/apps/web", {"priority": "business"})
    assert len(set(Release.objects.values_list("template", flat=True))) == 1
    assert App.objects.get().priority_class.name == "business"
    developer.patch("/groups/shop/apps/web", {"priority": None})
    assert App.objects.get().priority_class is None


def test_a_class_in_use_stays(admin: Api, developer: Api) -> None:
    admin.post("/priorities", {"name": "business", "value": 100})
    developer.post("/groups/shop/apps", {"name": "web", "image": IMAGE, "priority": "business"})
    assert problem(admin.delete("/priorities/business"))["code"] == "priority_in_use"
    App.objects.update(last_good=Release.objects.get())
    developer.patch("/groups/shop/apps/web", {"priority": None})
    assert problem(admin.delete("/priorities/business"))["code"] == "priority_in_use", "it might fall back"
    App.objects.update(last_good=None)
    assert admin.delete("/priorities/business").status_code == 204


def test_a_class_for_some_groups_is_for_them_alone(
    admin: Api, developer: Api, people: SimpleNamespace, other: Group
) -> None:
    admin.post("/priorities", {"name": "business", "value": 100, "groups": ["shop", "other"]})
    admin.post("/priorities", {"name": "ops", "value": 1000, "groups": []})
    assert [(one["name"], one["groups"]) for one in developer.get("/priorities").json()["items"]] == [
        ("business", ["shop"])
    ], "neither other classes nor other groups are told"
    assert problem(developer.get("/priorities/ops"))["status"] == 404
    new = {"name": "web", "image": IMAGE, "priority": "ops"}
    refused = problem(developer.post("/groups/shop/apps", new))
    assert refused["errors"][0] | {"message": ""} == {"field": "priority", "code": "unknown_priority", "message": ""}
    assert developer.post("/groups/shop/apps?dry_run=true", new).status_code == 422
    assert Api(people.outsider).post("/groups/other/apps", {**new, "priority": "business"}).status_code == 202


def test_a_class_whose_group_is_gone_is_not_for_everyone(admin: Api, developer: Api, other: Group) -> None:
    admin.post("/priorities", {"name": "theirs", "value": 100, "groups": ["other"]})
    groups.delete_group(None, other)
    assert admin.get("/priorities/theirs").json()["groups"] == []
    assert developer.get("/priorities").json()["items"] == []


@pytest.fixture
def reader(people: SimpleNamespace, admin: Api) -> Client:
    client = Client()
    client.force_login(people.admin)
    return client


def test_ops_make_change_and_delete_classes_in_the_panel(reader: Client, group: Group) -> None:
    new = reverse("new-priority")
    assert reader.post(new, {"name": "business", "value": "100"})["Location"] == reverse("placement")
    assert "for every group" in reader.get(reverse("placement")).text
    url = reverse("priority", args=["business"])
    assert reader.post(url, {"value": "7", "protected": "on", "groups": "shop"}).status_code == 302
    shown = reader.get(url).text
    assert 'value="7"' in shown
    assert "shop</textarea>" in shown
    row = PriorityClass.objects.get()
    assert (row.value, row.protected, row.for_all) == (7, True, False)
    wrong = reader.post(url, {"value": "7", "groups": "shop\nnowhere"})
    assert wrong.status_code == 422
    assert 'id="id_groups_error"' in wrong.text
    build.app(group, priority="business")
    refused = reader.post(reverse("delete-priority", args=["business"]), follow=True)
    assert "Apps have this priority class." in refused.text
    App.objects.update(priority_class=None)
    reader.post(reverse("delete-priority", args=["business"]))
    assert not PriorityClass.objects.exists()


def test_a_class_is_named_in_the_apps_form(reader: Client, group: Group) -> None:
    PriorityClass.objects.create(name="business", value=100)
    build.app(group, priority="business")
    page = reader.get(reverse("app-settings", args=["shop", "web"])).text
    assert 'name="priority" value="business"' in page
    assert "business" in reader.get(reverse("app", args=["shop", "web"])).text
