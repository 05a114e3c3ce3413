"""Groups, members, quotas, nodes, events and accounts in the panel."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import find_token
from apps.events.models import Event
from apps.events.services import record
from apps.groups.models import Group, Membership
from apps.nodes.models import Node
from scheduler.placement.values import Taint
from tests.web.panel import browser
from tests.web.seed import GIB, PASSWORD, Seed

pytestmark = pytest.mark.django_db


QUOTA = {"cpu": "4", "memory": "8GiB", "disk": "1TiB", "instances": "12"}


def test_an_admin_makes_a_group_and_is_led_to_its_members(berth: Seed) -> None:
    answer = browser(berth.admin).post(reverse("new-group"), {"name": "media", **QUOTA})
    assert answer["Location"] == reverse("members", args=["media"])
    group = Group.objects.get(name="media")
    assert (group.quota_cpu, group.quota_memory, group.quota_disk) == (4000, 8 * GIB, 1024 * GIB)


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"name": "Media"}, "name", "lower-case"),
        ({"name": "new"}, "name", "reserved"),
        ({"memory": "much"}, "memory", "amount"),
        ({"cpu": "4,5"}, "cpu", "cores"),
        ({"instances": "-1"}, "instances", "This is from 0 to 1000000."),
        ({"instances": "1.5"}, "instances", "This is a whole number."),
        ({"instances": ""}, "instances", "This is required."),
        ({"cpu": "-1"}, "cpu", "This is from 0 to 1000000."),
        ({"cpu": "99999999999"}, "cpu", "This is from 0 to 1000000."),
        ({"memory": 26 * "9"}, "memory", "This is from 0B to 1024PiB."),
    ],
)
def test_a_wrong_group_is_refused_at_the_field(berth: Seed, wrong: dict[str, str], field: str, said: str) -> None:
    answer = browser(berth.admin).post(reverse("new-group"), {"name": "media", **QUOTA, **wrong})
    assert answer.status_code == 422
    assert said in answer.text.partition(f'id="id_{field}_error"')[2].partition("</div></div>")[0]
    assert not Group.objects.filter(name__iexact="media").exists()


def test_all_that_is_wrong_with_a_group_is_marked_at_once(berth: Seed) -> None:
    wrong = {"name": "Host X", "cpu": "-1", "memory": "abc", "instances": "1.5"}
    answer = browser(berth.admin).post(reverse("new-group"), {**QUOTA, **wrong})
    assert [field for field in ("name", *QUOTA) if f'id="id_{field}_error"' in answer.text] == list(wrong)


def test_a_quota_cannot_go_below_what_is_reserved(berth: Seed) -> None:
    url = reverse("quota", args=["shop"])
    shown = browser(berth.admin).get(url).text
    assert 'value="3GiB"' in shown
    answer = browser(berth.admin).post(url, {**QUOTA, "cpu": "1"})
    assert answer.status_code == 422
    assert "More than this is reserved already" in answer.text
    assert browser(berth.admin).post(url, QUOTA).status_code == 302
    berth.shop.refresh_from_db()
    assert berth.shop.quota_cpu == 4000


def test_an_owner_adds_changes_and_removes_members(berth: Seed) -> None:
    lin, url = browser(berth.owner), reverse("members", args=["shop"])
    lin.post(url, {"username": "otto", "role": "viewer"})
    lin.post(url, {"username": "otto", "role": "developer"})
    assert Membership.objects.get(group=berth.shop, user=berth.outsider).role == "developer"
    lin.post(reverse("remove-member", args=["shop"]), {"username": "otto"})
    assert not Membership.objects.filter(group=berth.shop, user=berth.outsider).exists()


def test_wrong_members_are_refused_and_the_last_owner_stays(berth: Seed) -> None:
    lin, url = browser(berth.owner), reverse("members", args=["shop"])
    assert "no active user" in lin.post(url, {"username": "nobody", "role": "viewer"}).text
    assert "at least one owner" in lin.post(url, {"username": "lin", "role": "viewer"}).text
    answer = lin.post(reverse("remove-member", args=["shop"]), {"username": "lin"}, follow=True)
    assert "at least one owner" in answer.text


def test_members_see_each_other_and_only_owners_change_them(berth: Seed) -> None:
    url = reverse("members", args=["shop"])
    text = browser(berth.viewer).get(url).text
    assert "maya" in text
    assert "Add a member" not in text
    assert browser(berth.developer).post(url, {"username": "otto", "role": "viewer"}).status_code == 403


def test_a_group_with_apps_is_not_deleted_and_an_empty_one_is(berth: Seed) -> None:
    admin = browser(berth.admin)
    assert "delete them first" in admin.post(reverse("delete-group", args=["shop"]), follow=True).text
    admin.post(reverse("new-group"), {"name": "media", **QUOTA})
    assert admin.post(reverse("delete-group", args=["media"]))["Location"] == reverse("groups")
    assert not Group.objects.filter(name="media").exists()


def test_empty_lists_say_what_to_do_next() -> None:
    admin, nobody = User.objects.create_superuser("root"), User.objects.create_user("nobody")
    assert "Enrol a node for apps to run on" in browser(admin).get(reverse("overview")).text
    assert "A group is a team" in browser(admin).get(reverse("groups")).text
    assert "A node is a machine" in browser(admin).get(reverse("nodes")).text
    assert "You are in no group yet" in browser(nobody).get(reverse("overview")).text
    browser(admin).post(reverse("new-group"), {"name": "media", **QUOTA})
    assert "Deploy a container image" in browser(admin).get(reverse("group", args=["media"])).text


def test_an_admin_enrols_labels_cordons_and_removes_a_node(berth: Seed) -> None:
    admin = browser(berth.admin)
    new = {"name": "berth-5", "engine_url": "tcp://10.0.0.15:2375", "labels": "zone=c\r\n disk = ssd \r\n"}
    assert admin.post(reverse("enrol"), new)["Location"] == reverse("node", args=["berth-5"])
    node = Node.objects.get(name="berth-5")
    assert node.labels == {"zone": "c", "disk": "ssd"}
    settings = {"labels": "zone=d", "taints": "gpu=yes\nold soft", "cpu": "0.5", "memory": "1GiB", "disk": "0B"}
    ratios = {"overcommit_cpu": "150", "overcommit_memory": "100", "overcommit_disk": "100"}
    url = reverse("node-settings", args=["berth-5"])
    assert admin.post(url, {**settings, **ratios}).status_code == 302
    shown = admin.get(url).text
    assert "gpu=yes\nold soft</textarea>" in shown
    assert 'value="150"' in shown
    wrong = admin.post(url, {**settings, **ratios, "taints": "a b\nold", "overcommit_cpu": "90"}).text
    assert all(f'id="id_{field}_error"' in wrong for field in ("taints", "overcommit_cpu"))
    admin.post(reverse("cordon", args=["berth-5"]))
    node.refresh_from_db()
    assert (node.labels, node.system_cpu, node.cordoned) == ({"zone": "d"}, 500, True)
    assert (node.kept_off_by, node.overcommit["cpu"]) == ((Taint("gpu", "yes"), Taint("old", soft=True)), 150)
    assert "gpu=yes" in admin.get(reverse("node", args=["berth-5"])).text
    admin.post(reverse("uncordon", args=["berth-5"]))
    node.refresh_from_db()
    assert not node.cordoned
    assert admin.post(reverse("remove-node", args=["berth-5"]))["Location"] == reverse("nodes")
    assert "move them away first" in admin.post(reverse("remove-node", args=["berth-1"]), follow=True).text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"name": "Node"}, "name"), ({"engine_url": "ssh://host"}, "engine_url"), ({"labels": "zone=ä b"}, "labels")],
)
def test_a_wrong_node_is_refused_at_the_field(berth: Seed, wrong: dict[str, str], field: str) -> None:
    new = {"name": "berth-5", "engine_url": "tcp://10.0.0.15:2375", "labels": "", **wrong}
    answer = browser(berth.admin).post(reverse("enrol"), new)
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.text


def test_nodes_are_for_admins(berth: Seed) -> None:
    assert "shop/web" in browser(berth.admin).get(reverse("node", args=["berth-1"])).text
    for url in (reverse("nodes"), reverse("node", args=["berth-1"])):
        assert browser(berth.owner).get(url).status_code == 403
    overview = browser(berth.owner).get(reverse("overview")).text
    assert "berth-1" not in overview
    assert reverse("nodes") not in overview


def test_events_are_filtered_and_paged(berth: Seed) -> None:
    admin, url = browser(berth.admin), reverse("events")
    assert "app web was created" in admin.get(url, {"group": "shop", "app": "web"}).text
    assert "app api was created" not in admin.get(url, {"group": "shop", "app": "web"}).text
    assert "berth-4 does not answer" in admin.get(url, {"node": "berth-4"}).text
    assert "matches these filters" in admin.get(url, {"app": "nothing"}).text
    for number in range(60):
        record("app.restarted", app=berth.web, actor=berth.admin, number=number)
    first = admin.get(url, {"app": "web"}).text
    older = re.search(r'href="\?([^"]+)"', first)
    assert older
    second = admin.get(f"{url}?{older[1].replace('&amp;', '&')}").text
    assert "app web was created" in second
    assert "app web was created" not in first
    assert admin.get(url, {"before": "9" * 30}).status_code == 200


def test_events_of_other_groups_and_of_other_people_are_not_seen(berth: Seed) -> None:
    text = browser(berth.viewer).get(reverse("events")).text
    assert "app web was created" in text
    assert "warehouse" not in text
    assert "ci-deploy" not in text
    assert "berth-4" not in text
    assert "shop" not in browser(berth.outsider).get(reverse("events")).text


def test_a_new_token_is_shown_once_and_works_until_it_is_revoked(berth: Seed) -> None:
    maya, url = browser(berth.developer), reverse("account")
    made = maya.post(url, {"name": "ci", "days": "30"})
    assert made["Cache-Control"] == "no-store"
    secret = re.search(r'value="(berth_[^"]+)"', made.text)
    assert secret
    assert secret[1] not in maya.get(url).text
    token = find_token(secret[1])
    assert token
    assert token.expires_at - timezone.now() > timedelta(days=29)
    assert "You have a token named" in maya.post(url, {"name": "ci", "days": "0"}).text
    maya.post(reverse("revoke-token", args=[token.pk]))
    assert find_token(secret[1]) is None


def test_a_password_is_changed_with_the_old_one(berth: Seed) -> None:
    maya, url = browser(berth.developer), reverse("password")
    new: dict[str, Any] = {"new_password1": "noon-at-berth", "new_password2": "noon-at-berth"}
    assert maya.post(url, {"old_password": "wrong", **new}).status_code == 200
    assert maya.post(url, {"old_password": PASSWORD, **new})["Location"] == reverse("account")
    assert maya.get(reverse("account")).status_code == 200, "this session goes on"


def test_an_admin_creates_and_deactivates_users(berth: Seed) -> None:
    admin, url = browser(berth.admin), reverse("users")
    new = {"username": "ada", "email": "ada@example.com", "password": "a-long-enough-one"}
    assert admin.post(url, new).status_code == 302
    ada = User.objects.get(username="ada")
    assert not ada.is_admin
    assert "There is a user named" in admin.post(url, new).text
    assert "id_password_error" in admin.post(url, {**new, "username": "bob", "password": "short"}).text
    hers = browser(ada)
    admin.post(reverse("deactivate-user", args=[ada.pk]))
    assert hers.get(reverse("overview")).status_code == 302
    admin.post(reverse("activate-user", args=[ada.pk]))
    assert hers.get(reverse("overview")).status_code == 302
    assert browser(User.objects.get(pk=ada.pk)).get(reverse("overview")).status_code == 200
    answer = admin.post(reverse("deactivate-user", args=[berth.admin.pk]), follow=True)
    assert "You cannot deactivate yourself." in answer.text


def test_every_change_in_the_panel_names_who_made_it(berth: Seed) -> None:
    browser(berth.admin).post(reverse("new-group"), {"name": "media", **QUOTA})
    assert Event.objects.filter(kind="group.created").latest("id").actor == berth.admin
