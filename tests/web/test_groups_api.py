"""Groups, quotas and members through the API."""

from __future__ import annotations

import dataclasses
import ipaddress
from types import SimpleNamespace

import pytest
from django.conf import settings

from apps.errors import Conflict
from apps.events.models import Event
from apps.groups import services
from apps.groups.models import Group
from scheduler.model import Resources
from tests.web.api import Api, problem

pytestmark = pytest.mark.django_db

NEW = {"name": "team", "quota": {"cpu": "2500m", "memory": "4GiB", "disk": "1TB", "instances": 10}}


@pytest.fixture
def admin(people: SimpleNamespace, group: Group) -> Api:
    return Api(people.admin)


def test_a_group_has_a_quota_and_a_network_of_its_own(admin: Api, group: Group) -> None:
    response = admin.post("/groups", NEW)
    assert response.status_code == 201
    assert response["Location"] == "/api/v1/groups/team"
    shown = admin.get("/groups/team").json()
    assert shown == response.json()
    assert shown["quota"] == {"cpu": 2.5, "memory": 4 << 30, "disk": 10**12, "instances": 10}
    assert shown["reserved"] == {"cpu": 0, "memory": 0, "disk": 0, "instances": 0}
    assert (group.subnet, shown["subnet"]) == ("10.96.0.0/22", "10.96.4.0/22")


def test_the_lowest_free_network_is_given_again(admin: Api, group: Group, people: SimpleNamespace) -> None:
    services.delete_group(people.admin, group)
    assert admin.post("/groups", NEW).json()["subnet"] == "10.96.0.0/22"


def test_when_every_network_is_in_use_the_answer_says_so(admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(settings.BERTH, subnets=ipaddress.IPv4Network("10.96.0.0/22"))
    monkeypatch.setattr(settings, "BERTH", small)
    assert problem(admin.post("/groups", NEW))["code"] == "no_subnet_left"


def test_all_that_is_wrong_with_a_group_is_named_at_once(admin: Api) -> None:
    refused = problem(admin.post("/groups", {"name": "Shop"}))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("name", "invalid_name"), ("quota", "required")]
    wrong = {"name": "new", "quota": {"cpu": -1, "memory": "abc", "instances": 1.5}}
    errors = {e["field"]: e["message"] for e in problem(admin.post("/groups", wrong))["errors"]}
    assert errors == {
        "name": "This name is reserved.",
        "quota.cpu": "This is from 0 to 1000000.",
        "quota.memory": "This is a number of bytes, or an amount such as “64MiB” or “1GiB”.",
        "quota.instances": "This is a whole number.",
    }


def test_a_name_is_given_once(admin: Api) -> None:
    assert problem(admin.post("/groups", {**NEW, "name": "shop"}))["code"] == "group_exists"


def test_a_quota_stays_above_what_is_reserved(admin: Api, group: Group) -> None:
    services.reserve(group.pk, Resources(2000, 1 << 30, 0, 2))
    new = {"cpu": 1.5, "memory": "2GiB", "instances": 1}
    refused = problem(admin.put("/groups/shop/quota", new))
    assert refused["code"] == "quota_below_reserved"
    assert refused["detail"] == "More than this is reserved already: CPU (2), number of instances (2)."
    assert admin.put("/groups/shop/quota", {**new, "cpu": 2, "instances": 2}).json()["cpu"] == 2
    assert admin.get("/groups/shop/quota").json() == {"cpu": 2, "memory": 2 << 30, "disk": 0, "instances": 2}


def test_less_may_always_be_asked_for(group: Group) -> None:
    services.reserve(group.pk, Resources(2000, 1 << 30, 0, 2))
    services.reserve(group.pk, Resources(-500, -1, 0, 0))
    with pytest.raises(Conflict):
        services.reserve(group.pk, Resources(-500, 100 << 30, 0, 0))
    group.refresh_from_db()
    assert services.reserved_of(group) == Resources(1500, (1 << 30) - 1, 0, 2)


def test_members_come_change_and_go(admin: Api, people: SimpleNamespace) -> None:
    owner = Api(people.owner)
    assert owner.put("/groups/shop/members/outsider", {"role": "viewer"}).json()["role"] == "viewer"
    owner.put("/groups/shop/members/outsider", {"role": "developer"})
    roles = {m["username"]: m["role"] for m in owner.get("/groups/shop/members").json()["items"]}
    assert roles == {"owner": "owner", "developer": "developer", "viewer": "viewer", "outsider": "developer"}
    assert [g["role"] for g in Api(people.outsider).get("/groups").json()["items"]] == ["developer"]
    assert owner.delete("/groups/shop/members/outsider").status_code == 204
    assert owner.delete("/groups/shop/members/outsider").status_code == 204
    kinds = Event.objects.filter(params__user="outsider").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["member.added", "member.changed", "member.removed"]


def test_the_last_owner_stays(admin: Api) -> None:
    assert problem(admin.delete("/groups/shop/members/owner"))["code"] == "last_owner"
    assert problem(admin.put("/groups/shop/members/owner", {"role": "viewer"}))["code"] == "last_owner"
    admin.put("/groups/shop/members/developer", {"role": "owner"})
    assert admin.delete("/groups/shop/members/owner").status_code == 204


def test_me_shows_my_groups(admin: Api, people: SimpleNamespace) -> None:
    me = Api(people.viewer).get("/me").json()
    assert (me["username"], me["admin"], me["groups"]) == ("viewer", False, [{"name": "shop", "role": "viewer"}])
