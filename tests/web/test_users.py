"""What admins do with users: passwords, rights, letting in and out, deleting."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from channels.db import database_sync_to_async
from django.test import Client
from django.urls import reverse

from apps.accounts import users
from apps.accounts.models import ApiToken, User
from apps.errors import Conflict
from apps.events.models import Event
from apps.groups.models import Group, Membership
from apps.panel import consumers
from apps.panel.sockets import REFUSED
from tests.web.api import Api, problem
from tests.web.panel import browser, close_connections, opened
from tests.web.seed import Seed, seed

pytestmark = pytest.mark.django_db

NEW = "another horse battery"


def lets_in(client: Client) -> bool:
    return client.get(reverse("account")).status_code == 200


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "a-", "@", "a b", "a/b", "é", "Ａ", "a" * 65, "<b>", "a\u202eb", "_"]
)
def test_odd_names_are_refused(people: SimpleNamespace, name: str) -> None:
    refused = problem(Api(people.admin).post("/users", {"username": name}))
    assert refused["status"] == 422
    assert {error["field"] for error in refused["errors"]} == {"username"}


@pytest.mark.parametrize("name", ["a", "ada.lovelace@example.com", "ci-2", "Ada_L", "a" * 64])
def test_plain_names_are_taken(people: SimpleNamespace, name: str) -> None:
    admin = Api(people.admin)
    assert admin.post("/users", {"username": name}).status_code == 201
    assert admin.get(f"/users/{name}").status_code == 200


def test_names_that_differ_in_case_alone_are_one(people: SimpleNamespace) -> None:
    assert problem(Api(people.admin).post("/users", {"username": "Owner"}))["code"] == "user_exists"


def test_an_admin_sets_a_forgotten_password(people: SimpleNamespace) -> None:
    admin, before = Api(people.admin), browser(people.owner)
    assert admin.patch("/users/owner", {"password": NEW}).status_code == 200
    assert User.objects.get(username="owner").check_password(NEW)
    assert not lets_in(before)
    refused = problem(admin.patch("/users/owner", {"password": "short", "admin": True}))
    assert [error["field"] for error in refused["errors"]] == ["password"]
    assert not User.objects.get(username="owner").is_superuser, "all of a change or nothing"
    admin.patch("/users/owner", {"password": None})
    assert not User.objects.get(username="owner").has_usable_password()
    assert not Event.objects.filter(params__icontains=NEW).exists()


def test_rights_of_admins_are_given_and_taken(people: SimpleNamespace) -> None:
    admin, owner = Api(people.admin), Api(people.owner)
    assert owner.get("/users").status_code == 403
    assert admin.patch("/users/owner", {"admin": True}).json()["admin"] is True
    assert owner.get("/users").status_code == 200
    assert owner.patch("/users/admin", {"admin": False}).json()["admin"] is False
    assert admin.get("/users").status_code == 403


def test_the_last_active_admin_stays_one(people: SimpleNamespace) -> None:
    refused = problem(Api(people.admin).patch("/users/admin", {"admin": False}))
    assert (refused["code"], refused["errors"][0]["field"]) == ("last_admin", "admin")
    other = User.objects.create_superuser("other", is_active=False)
    for change in (
        lambda: users.set_admin(other, people.admin, admin=False),
        lambda: users.set_active(other, people.admin, active=False),
        lambda: users.delete_user(other, people.admin),
    ):
        with pytest.raises(Conflict, match="at least one active admin"):
            change()
    assert User.objects.get(username="admin").is_admin


def test_nobody_shuts_themselves_out(people: SimpleNamespace) -> None:
    User.objects.create_superuser("other")
    admin = Api(people.admin)
    assert problem(admin.patch("/users/admin", {"active": False}))["code"] == "own_account"
    assert problem(admin.delete("/users/admin"))["code"] == "own_account"


def test_deactivating_ends_sessions_for_good_and_tokens_until_they_are_back(people: SimpleNamespace) -> None:
    admin, owner, before = Api(people.admin), Api(people.owner), browser(people.owner)
    admin.patch("/users/owner", {"active": False})
    assert owner.get("/me").status_code == 401
    assert not lets_in(before)
    admin.patch("/users/owner", {"active": True})
    assert owner.get("/me").status_code == 200
    assert not lets_in(before), "a session that has ended does not come back"
    assert lets_in(browser(User.objects.get(username="owner")))


def test_deleting_takes_tokens_and_memberships_and_leaves_the_history(people: SimpleNamespace, group: Group) -> None:
    Api(people.developer).post("/tokens", {"name": "ci"})
    assert Api(people.admin).delete("/users/developer").status_code == 204
    assert not User.objects.filter(username="developer").exists()
    assert not ApiToken.objects.filter(name="ci").exists()
    assert not Membership.objects.filter(user__username="developer").exists()
    event = Event.objects.get(kind="token.created", params__name="ci")
    assert event.actor is None
    assert Event.objects.filter(kind="member.removed", group=group, params__user="developer").exists()
    assert Event.objects.filter(kind="user.deleted", params__user="developer", actor=people.admin).exists()


def test_the_last_owner_of_a_group_is_not_deleted(people: SimpleNamespace, group: Group) -> None:
    refused = problem(Api(people.admin).delete("/users/owner"))
    assert refused["code"] == "last_owner"
    assert "shop" in refused["detail"]


def test_the_page_of_a_user_does_all_of_this(berth: Seed) -> None:
    admin, ada = browser(berth.admin), users.create_user(berth.admin, "ada", "a-long-enough-one")
    page = reverse("user", args=[ada.pk])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"password": "short"}).status_code == 422
    assert admin.post(page, {"password": NEW}).status_code == 302
    assert User.objects.get(pk=ada.pk).check_password(NEW)
    admin.post(reverse("grant-admin", args=[ada.pk]))
    assert User.objects.get(pk=ada.pk).is_admin
    admin.post(reverse("revoke-admin", args=[ada.pk]))
    assert not User.objects.get(pk=ada.pk).is_admin
    assert "ada" in admin.post(reverse("delete-user", args=[ada.pk]), follow=True).text
    assert not User.objects.filter(pk=ada.pk).exists()


@pytest.mark.parametrize("name", ["user", "grant-admin", "revoke-admin", "delete-user", "deactivate-user"])
def test_the_page_of_a_user_is_for_admins(berth: Seed, name: str) -> None:
    owner = browser(berth.owner)
    assert owner.post(reverse(name, args=[berth.viewer.pk]), {"password": NEW}).status_code == 403
    assert User.objects.get(pk=berth.viewer.pk).check_password(NEW) is False


def _deactivate(berth: Seed) -> None:
    users.set_active(berth.admin, berth.owner, active=False)


def _set_password(berth: Seed) -> None:
    users.set_password(berth.admin, berth.owner, NEW)


def _delete(berth: Seed) -> None:
    users.create_user(berth.admin, "heir")
    for group in Group.objects.all():
        Membership.objects.create(group=group, user=User.objects.get(username="heir"), role="owner")
    users.delete_user(berth.admin, berth.owner)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", [_deactivate, _set_password, _delete])
async def test_open_pages_close_at_once(end: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "EVERY", 3600.0)  # nothing arrives because of the clock
    berth = await database_sync_to_async(seed)()
    async with opened("/groups/shop/", berth.owner) as page:
        await page.text()
        await database_sync_to_async(end)(berth)
        assert await page.closed() == REFUSED
    await close_connections()
