"""Who reaches what: every address of the API, as it stands in the URL configuration, with every method."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import URLPattern, reverse
from django.utils import timezone

from apps.accounts.services import create_token
from apps.applications.models import App, Instance
from apps.certificates.models import Certificate
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.placement.models import PriorityClass
from apps.rest import urls
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OWN = {"me", "tokens"}  # about whoever asks
LISTS = {"groups", "operations", "events"}  # what of them exists for whoever asks
SHARED = {"priorities", "priority"}  # what everyone may choose from
OPEN = {"schema", "docs"}  # the description of the API; `docs` is a page and sends strangers to the login
ROUTES = {route.name: route for route in urls.urlpatterns if isinstance(route, URLPattern) and route.name}
OF_GROUP = sorted(name for name, route in ROUTES.items() if {"group", "id"} & set(route.pattern.converters))
FOR_ADMINS = sorted(ROUTES.keys() - set(OF_GROUP) - OWN - LISTS - SHARED - OPEN - {"token"})


@pytest.fixture
def app(people: SimpleNamespace, group: Group, engine: FakeEngine) -> App:
    Api(people.developer).post("/groups/shop/apps", {"name": "web", "image": IMAGE})
    app = App.objects.get()
    PriorityClass.objects.create(name="business", value=100)
    now = timezone.now()
    Instance.objects.create(
        app=app, group=group, release=app.release, node=Node.objects.get(), slot=0, generation=1, template="t",
        address="10.96.0.2", cpu=250, memory=1 << 20, disk=0, state=State.ASSIGNED, since=now, created_at=now,
    )  # fmt: skip
    Certificate.objects.create(group=group, name="tls", source="acme", hosts=["shop.test"])
    return app


def address(name: str, app: App, people: SimpleNamespace) -> str:
    """The address of what exists."""
    known: dict[str, Any] = {
        "group": "shop",
        "app": "web",
        "number": 1,
        "instance": "0-1",
        "id": app.operations.get().pk,
        "username": "owner",
        "node": "n1",
        "certificate": "tls",
        "priority": "business",
        "token": create_token(people.owner, f"of the owner {uuid.uuid4()}")[0].pk,
    }
    return reverse(f"api:{name}", kwargs={argument: known[argument] for argument in ROUTES[name].pattern.converters})


def test_every_route_is_known_to_these_tests() -> None:
    assert len(OF_GROUP) > 15
    assert FOR_ADMINS == ["abandon", "choices", "drain", "node", "nodes", "profile", "rebalance", "user", "users"]


@pytest.mark.parametrize("name", OF_GROUP)
def test_to_an_outsider_nothing_of_a_group_exists(app: App, people: SimpleNamespace, other: Group, name: str) -> None:
    where = address(name, app, people)
    for method in METHODS:
        response = Api(people.outsider)(method, where)
        # a method that the address does not know is refused alike for everyone, whatever is there
        assert response.status_code in (404, 405), (method, where)
        if response.status_code == 405:
            assert Api(people.admin)(method, where).status_code == 405
            assert Api(people.outsider)(method, where.replace("shop", "nowhere")).status_code == 405
        elif method != "HEAD":
            absent = where.replace("shop", "nowhere").replace(str(app.operations.get().pk), str(uuid.uuid4()))
            missing = Api(people.outsider)(method, absent)
            assert problem(response) == problem(missing), "an outsider can tell what exists"


@pytest.mark.parametrize("name", OF_GROUP)
def test_a_well_formed_change_by_an_outsider_finds_nothing_either(
    app: App, people: SimpleNamespace, other: Group, name: str
) -> None:
    bodies: dict[str, Any] = {
        "apps": {"name": "mine", "image": IMAGE},
        "app": {"replicas": 2},
        "scale": {"replicas": 2},
        "rollback": {"release": 1},
        "certificates": {"name": "mine", "hosts": ["shop.test"]},
        "certificate": {"https_only": True},
        "quota": {"cpu": 1, "memory": 1, "instances": 1},
        "member": {"role": "owner"},
        "group-profile": {"preset": "binpack"},
    }
    for method in ("POST", "PUT", "PATCH"):
        for query in ("", "?dry_run=true"):
            status = Api(people.outsider)(method, address(name, app, people) + query, bodies.get(name)).status_code
            assert status in (404, 405)
    assert App.objects.count() == 1


@pytest.mark.parametrize("name", FOR_ADMINS)
def test_what_is_for_admins_is_refused_to_everyone_else(app: App, people: SimpleNamespace, name: str) -> None:
    for method in METHODS:
        for user in (people.owner, people.outsider):
            assert Api(user)(method, address(name, app, people)).status_code == 403


@pytest.mark.parametrize("name", sorted(ROUTES.keys() - OPEN))
def test_strangers_are_asked_who_they_are(app: App, people: SimpleNamespace, name: str) -> None:
    for method in METHODS:
        response = Api()(method, address(name, app, people))
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        if method != "HEAD":
            assert problem(response)["code"] == "not_authenticated"


def test_the_documentation_sends_strangers_to_the_login() -> None:
    assert Api().get("/docs")["Location"].startswith("/login")


@pytest.mark.parametrize("name", sorted(LISTS))
def test_lists_show_outsiders_nothing_of_a_group(app: App, people: SimpleNamespace, name: str) -> None:
    assert Api(people.outsider).get(f"/{name}").json()["items"] == []
    assert Api(people.viewer).get(f"/{name}").json()["items"] != []


def test_the_tokens_of_others_do_not_exist(app: App, people: SimpleNamespace) -> None:
    where = address("token", app, people)
    assert Api(people.admin).delete(where).status_code == 404
    assert Api(people.owner).delete(where).status_code == 204


# what each role may do; who may do less is refused
RIGHTS: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/groups/shop", None, {"viewer", "developer", "owner", "admin"}),
    ("GET", "/groups/shop/members", None, {"viewer", "developer", "owner", "admin"}),
    ("GET", "/groups/shop/apps/web", None, {"viewer", "developer", "owner", "admin"}),
    ("GET", "/groups/shop/apps/web/instances/0-1", None, {"viewer", "developer", "owner", "admin"}),
    ("GET", "/groups/shop/apps/web/traffic", None, {"viewer", "developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps?dry_run=1", {"name": "w", "image": IMAGE}, {"developer", "owner", "admin"}),
    ("PATCH", "/groups/shop/apps/web?dry_run=1", {"replicas": 2}, {"developer", "owner", "admin"}),
    ("DELETE", "/groups/shop/apps/web?dry_run=1", None, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps/web/scale?dry_run=1", {"replicas": 2}, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps/web/rollback?dry_run=1", {"release": 1}, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps/web/restart?dry_run=1", None, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps/web/stop?dry_run=1", None, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/apps/web/start?dry_run=1", None, {"developer", "owner", "admin"}),
    ("GET", "/groups/shop/certificates", None, {"viewer", "developer", "owner", "admin"}),
    ("GET", "/groups/shop/certificates/tls", None, {"viewer", "developer", "owner", "admin"}),
    ("PATCH", "/groups/shop/certificates/tls?dry_run=1", {"https_only": True}, {"developer", "owner", "admin"}),
    ("POST", "/groups/shop/certificates/tls/renew?dry_run=1", None, {"developer", "owner", "admin"}),
    ("DELETE", "/groups/shop/certificates/tls?dry_run=1", None, {"developer", "owner", "admin"}),
    ("PUT", "/groups/shop/members/outsider?dry_run=1", {"role": "viewer"}, {"owner", "admin"}),
    ("DELETE", "/groups/shop/members/viewer?dry_run=1", None, {"owner", "admin"}),
    ("PUT", "/groups/shop/quota?dry_run=1", {"cpu": 9, "memory": "9GiB", "instances": 9}, {"admin"}),
    ("GET", "/groups/shop/placement/profile", None, {"viewer", "developer", "owner", "admin"}),
    ("PUT", "/groups/shop/placement/profile?dry_run=1", {"preset": "binpack"}, {"admin"}),
    ("DELETE", "/groups/shop/placement/profile?dry_run=1", None, {"admin"}),
    ("PUT", "/placement/profile?dry_run=1", {"preset": "binpack"}, {"admin"}),
    ("GET", "/priorities", None, {"viewer", "developer", "owner", "admin"}),
    ("POST", "/priorities?dry_run=1", {"name": "high", "value": 1}, {"admin"}),
    ("PUT", "/priorities/business?dry_run=1", {"value": 1}, {"admin"}),
    ("DELETE", "/priorities/business?dry_run=1", None, {"admin"}),
    ("POST", "/groups?dry_run=1", {"name": "g", "quota": {"cpu": 1, "memory": 1, "instances": 1}}, {"admin"}),
    ("GET", "/nodes", None, {"admin"}),
    ("PATCH", "/nodes/n1?dry_run=1", {"cordoned": True}, {"admin"}),
    ("GET", "/nodes/n1/drain", None, {"admin"}),
    ("POST", "/nodes/n1/drain?dry_run=1", None, {"admin"}),
    ("DELETE", "/nodes/n1/drain?dry_run=1", None, {"admin"}),
    ("GET", "/placement/rebalance", None, {"admin"}),
    ("PATCH", "/placement/rebalance?dry_run=1", {"enabled": False}, {"admin"}),
    ("POST", "/placement/rebalance?dry_run=1", None, {"admin"}),
    ("GET", "/users", None, {"admin"}),
    ("PATCH", "/users/outsider?dry_run=1", {"password": "a-long-enough-one", "admin": True}, {"admin"}),
    ("DELETE", "/users/outsider?dry_run=1", None, {"admin"}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), RIGHTS)
def test_each_role_may_do_what_it_says(
    app: App, people: SimpleNamespace, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    for role in ("viewer", "developer", "owner", "admin"):
        status = Api(getattr(people, role))(method, path, body).status_code
        assert (status < 300) == (role in allowed), (role, status)
        assert status < 300 or status == 403


def test_owners_delete_groups_and_developers_do_not(app: App, people: SimpleNamespace, group: Group) -> None:
    assert problem(Api(people.developer).delete("/groups/shop"))["status"] == 403
    assert problem(Api(people.owner).delete("/groups/shop"))["code"] == "group_has_apps"
    App.objects.update(release=None, last_good=None)
    App.objects.all().delete()
    assert Api(people.owner).delete("/groups/shop").status_code == 204


def test_a_former_member_is_an_outsider(app: App, people: SimpleNamespace) -> None:
    viewer = Api(people.viewer)
    assert viewer.get("/groups/shop/apps/web").status_code == 200
    Api(people.owner).delete("/groups/shop/members/viewer")
    assert viewer.get("/groups/shop/apps/web").status_code == 404


def test_a_deactivated_user_is_nobody_until_taken_back(app: App, people: SimpleNamespace) -> None:
    owner, admin = Api(people.owner), Api(people.admin)
    assert admin.patch("/users/owner", {"active": False}).json()["active"] is False
    assert problem(owner.get("/me"))["code"] == "authentication_failed"
    admin.patch("/users/owner", {"active": True})
    assert owner.get("/me").status_code == 200
    assert problem(admin.patch("/users/admin", {"active": False}))["code"] == "own_account"
