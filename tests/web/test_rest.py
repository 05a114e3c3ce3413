"""What all addresses of the API have in common: problems, sizes, sessions, cursors, dry runs, few queries."""

from __future__ import annotations

import io
import json
import re
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework import exceptions

from apps.accounts.models import User
from apps.applications.models import App, Instance
from apps.applications.releases import Content, publish
from apps.applications.spec import parse, with_port
from apps.events.messages import MESSAGES
from apps.events.services import record
from apps.groups import services as groups
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.operations.services import begin
from apps.rest import problems
from apps.rest.parsers import JSON
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from scheduler.model import OperationKind
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE, QUOTA, digest
from tests.web.seed import Seed

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(people: SimpleNamespace) -> Api:
    return Api(people.admin)


def many_apps(group: Group, count: int, by: User) -> None:
    """Apps with all that their lists show."""
    now, node = timezone.now(), Node.objects.create(name="n1", engine_url="fake://n1")
    for number in range(count):
        parsed = parse({"name": f"app-{number:03}", "image": IMAGE, "resources": {"cpu": 0.01, "memory": "6MiB"}})
        app = App.objects.create(group=group, name=parsed.name)
        content = Content(with_port(parsed.spec, None), digest(1), parsed.env)
        publish(app, content, by)
        app.last_good = publish(app, content, by)
        app.save()
        operation = begin(by, app, OperationKind.CREATE, 2)
        record("app.created", actor=by, app=app, node=node, operation=operation)
        for slot in range(3):
            Instance.objects.create(
                app=app, group=group, release=app.release, node=node, slot=slot, generation=slot + 1, template="t",
                address=f"10.0.{number}.{slot}", cpu=10, memory=1, disk=0, state=State.HEALTHY, since=now,
                created_at=now,
            )  # fmt: skip


# --- problems


def test_an_unknown_address_is_a_problem(admin: Api) -> None:
    for path in ("/nothing", "/groups/", "/groups/Shop", "/groups/shop/apps/web/nothing", "/operations/7", "/"):
        assert problem(admin.get(path))["code"] == "not_found"
    for path in ("/api", "/api/", "/api/v1", "/api/v2/groups", "/api/v1groups"):
        response = admin.client.get(path, headers=admin.headers)
        assert problem(response)["code"] == "not_found", path


def test_an_unknown_method_says_which_are_known(admin: Api) -> None:
    response = admin.put("/groups")
    assert problem(response)["code"] == "method_not_allowed"
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert problem(admin("BREW", "/groups"))["status"] == 405


def test_options_say_which_methods_an_address_knows(admin: Api, group: Group) -> None:
    for path, allow in (("/groups", "GET, POST, HEAD, OPTIONS"), ("/groups/shop/quota", "GET, PUT, HEAD, OPTIONS")):
        response = admin("OPTIONS", path)
        assert (response.status_code, response["Allow"], response.content) == (204, allow, b"")
    assert problem(admin("OPTIONS", "/nothing"))["code"] == "not_found"
    assert problem(Api()("OPTIONS", "/groups"))["status"] == 401


def test_every_address_answers_head_as_it_answers_get_and_without_a_body(admin: Api, group: Group) -> None:
    for path in ("/me", "/groups", "/groups/shop", "/events", "/schema", "/groups/nowhere"):
        read, asked = admin.get(path), admin("HEAD", path)
        assert (asked.status_code, asked.content) == (read.status_code, b"")
        assert asked["Content-Type"] == read["Content-Type"]


def test_a_patch_may_say_that_it_merges(people: SimpleNamespace, group: Group, engine: FakeEngine) -> None:
    api, merges = Api(people.developer), "application/merge-patch+json"
    api.post("/groups/shop/apps", {"name": "web", "image": IMAGE})
    for number, kind in enumerate(("application/json", merges, f"{merges}; charset=utf-8"), 2):
        changed = api.patch("/groups/shop/apps/web", {"replicas": number}, content_type=kind)
        assert changed.status_code == 202
        assert App.objects.get().release.spec["replicas"] == number
    assert problem(api.patch("/groups/shop/apps/web", "[]", content_type=merges))["code"] == "malformed"
    refused = problem(api.post("/groups/shop/apps", {}, content_type=merges))
    assert refused["code"] == "unsupported_media_type"


def test_a_route_without_a_host_is_named(people: SimpleNamespace, group: Group, engine: FakeEngine) -> None:
    wanted = {"name": "web", "image": IMAGE, "routes": [{}, {"host": "a.test"}, 7, {"path": "/x"}]}
    refused = problem(Api(people.developer).post("/groups/shop/apps", wanted))
    errors = sorted((error["field"], error["code"]) for error in refused["errors"])
    assert errors == [("routes[0].host", "required"), ("routes[2]", "invalid_type"), ("routes[3].host", "required")]


def test_every_read_refuses_what_it_does_not_know_and_names_all_that_is_wrong(admin: Api) -> None:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for path, methods in schema["paths"].items():
        if "get" in methods:
            values = dict.fromkeys(re.findall("{([a-z]+)}", path), "1") | {"id": str(uuid.uuid4())}
            values |= {"instance": "0-1"} | dict.fromkeys(("group", "app", "node", "certificate", "priority"), "shop")
            refused = problem(admin.get(f"{path.format(**values).removeprefix('/api/v1')}?foo=1"))
            assert [(e["field"], e["code"]) for e in refused["errors"]] == [("foo", "unknown_parameter")], path
    refused = problem(admin.get("/operations?foo=1&status=bogus&limit=0"))
    assert [e["field"] for e in refused["errors"]] == ["foo", "status", "limit"]
    assert problem(admin.get("/nothing?foo=1"))["code"] == "not_found"


def test_a_list_takes_every_value_that_its_parameters_are_described_with(admin: Api) -> None:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    tried = 0
    for path in ("/operations", "/events"):
        for parameter in schema["paths"][f"/api/v1{path}"]["get"]["parameters"]:
            for value in parameter["schema"].get("enum", ()):
                assert admin.get(f"{path}?{parameter['name']}={value}").status_code == 200
                tried += 1
    assert tried > len(MESSAGES)


def test_a_body_that_is_no_json_is_a_problem(admin: Api) -> None:
    for body in ("{", "[]", "7", '"x"', "null", "{'a': 1}", '{"cpu": NaN}', '{"cpu": Infinity}', b"\xff", "[" * 50_000):
        assert problem(admin.post("/groups", body))["code"] == "malformed"


def test_what_is_wrong_with_a_body_is_said_in_words_of_berth(admin: Api) -> None:
    said = {
        '{"name": }': "This is not JSON: the fault is in line 1, column 10.",
        '{"quota":' * 50_000: "This is nested too deeply.",
        b'{"name": "\xff"}': "This is not UTF-8.",
        '{"cpu": NaN}': "This holds a number that is none of JSON, or has too many digits.",
        '{"cpu": 1' + 5000 * "0" + "}": "This holds a number that is none of JSON, or has too many digits.",
    }
    assert [problem(admin.post("/groups", body))["detail"] for body in said] == list(said.values())


def test_all_times_of_an_answer_have_the_same_form(berth: Seed) -> None:
    shown = [
        text
        for path in ("/operations", "/groups/shop/apps", "/groups/shop/apps/web/instances", "/events")
        for text in moments(Api(berth.admin).get(path).json())
    ]
    assert len(shown) > 50
    assert [text for text in shown if not text.endswith("Z")] == []


def moments(answer: Any) -> list[str]:
    """All texts of an answer that are a time."""
    if isinstance(answer, str):
        return [answer] if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+", answer) else []
    inner = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ()
    return [text for each in inner for text in moments(each)]


def test_a_body_of_another_type_is_a_problem(admin: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        refused = problem(admin.post("/groups", "name=x", content_type=kind))
        assert (refused["status"], refused["code"]) == (415, "unsupported_media_type")
    assert problem(admin.post("/groups", {}, content_type="Application/JSON; charset=utf-8"))["status"] == 422


def test_any_accept_header_gets_json(admin: Api) -> None:
    for accept in ("text/html", "application/problem+json", "nonsense", ""):
        assert admin.get("/me", accept=accept)["Content-Type"] == "application/json"


def test_a_body_over_the_limit_is_a_problem_whatever_its_length_claims(admin: Api) -> None:
    large = json.dumps({"name": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    assert problem(admin.post("/groups", large))["code"] == "too_large"
    with pytest.raises(problems.TooLarge):
        JSON().parse(io.BytesIO(large.encode()))


def test_throttling_says_when_to_come_back() -> None:
    response = problems.handle(exceptions.Throttled(wait=4.2), {})
    assert response is not None
    assert (response.status_code, response.data["code"], response["Retry-After"]) == (429, "throttled", "5")


def test_a_wrong_host_is_a_problem(admin: Api) -> None:
    response = admin.get("/me", host="evil.test")
    assert problem(response)["status"] == 400


def test_a_fault_is_a_problem_that_gives_nothing_away(admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr("apps.accounts.api.Me.get", broken)
    admin.client.raise_request_exception = False
    response = admin.get("/me")
    assert problem(response)["code"] == "internal"
    assert b"s3cret" not in response.content


def test_problems_speak_the_readers_language(admin: Api) -> None:
    refused = problem(admin.post("/tokens", {"name": "x", "extra": 1}, accept_language="zh-hans"))
    assert refused["code"] == "invalid"
    assert refused["errors"][0]["code"] == "unknown_field"


# --- who asks


def test_a_session_may_read_and_change_with_a_csrf_token_alone(people: SimpleNamespace, group: Group) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.admin)
    assert client.get("/api/v1/me").json()["username"] == "admin"
    refused = problem(client.delete("/api/v1/groups/shop"))
    assert (refused["status"], refused["code"]) == (403, "forbidden")
    assert Group.objects.filter(name="shop").exists()
    page = client.get("/api/v1/docs").content.decode()
    token = page.partition('data-csrf="')[2].partition('"')[0]
    assert client.delete("/api/v1/groups/shop", headers={"X-CSRFToken": token}).status_code == 204


def test_a_wrong_token_is_refused_even_beside_a_session(people: SimpleNamespace) -> None:
    client = Client()
    client.force_login(people.admin)
    for header in ("Bearer nonsense", "Bearer ", "bearer berth_x", "Bearer \x7f", "Bearer berth_é"):
        assert problem(client.get("/api/v1/me", headers={"Authorization": header}))["code"] == "authentication_failed"


# --- lists


def test_pages_follow_each_other_until_the_last(admin: Api, group: Group, people: SimpleNamespace) -> None:
    many_apps(group, 5, people.owner)
    seen, path = [], "/groups/shop/apps?limit=2"
    while path:
        page = admin.get(path).json()
        seen.append([app["name"] for app in page["items"]])
        path = page["next"]
    assert seen == [["app-000", "app-001"], ["app-002", "app-003"], ["app-004"]]


def test_what_is_added_meanwhile_moves_no_page(admin: Api, group: Group, people: SimpleNamespace) -> None:
    many_apps(group, 4, people.owner)
    first = admin.get("/operations?limit=3").json()
    begin(people.owner, App.objects.first(), OperationKind.RESTART)
    second = admin.get(first["next"]).json()
    assert [operation["app"] for operation in first["items"]] == ["app-003", "app-002", "app-001"]
    assert [operation["app"] for operation in second["items"]] == ["app-000"]
    assert second["next"] is None


def test_a_cursor_is_good_for_its_own_list_alone(admin: Api, group: Group, people: SimpleNamespace) -> None:
    many_apps(group, 2, people.owner)
    cursor = admin.get("/groups/shop/apps?limit=1").json()["next"].partition("cursor=")[2]
    assert problem(admin.get(f"/events?cursor={cursor}"))["errors"][0]["field"] == "cursor"


def test_lists_are_narrowed_by_query_fields(admin: Api, group: Group, people: SimpleNamespace) -> None:
    many_apps(group, 3, people.owner)
    assert len(admin.get("/operations?app=app-001").json()["items"]) == 1
    assert admin.get("/operations?status=failed").json()["items"] == []
    created = admin.get("/events?kind=app.created&group=shop&app=app-002").json()["items"]
    assert [event["app"] for event in created] == ["app-002"]
    assert created[0]["message"] == "app app-002 was created"


LISTS = [
    "/groups", "/groups/shop/apps", "/groups/shop/members", "/groups/shop/apps/app-000/releases",
    "/groups/shop/apps/app-000/instances", "/operations", "/events", "/nodes", "/users", "/tokens", "/me",
]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_a_longer_list_takes_no_more_queries(group: Group, people: SimpleNamespace, path: str) -> None:
    api = Api(people.admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(path).status_code == 200
        return len(captured)

    many_apps(group, 1, people.owner)
    api.get(path)  # the first request notes that the token was used
    few = queries()
    Node.objects.all().update(name="first", engine_url="fake://first")
    Group.objects.filter(pk=group.pk).update(name="first")
    second = groups.create_group(None, "shop", QUOTA)
    for user in User.objects.exclude(username="admin"):
        groups.set_member(people.admin, second, user.username, "owner")
    many_apps(second, 6, people.owner)
    for _time in range(3):
        Api(people.admin)
    assert queries() == few
    assert few <= 6


# --- dry runs of what has no plan


def test_a_dry_run_of_any_change_answers_as_if_and_changes_nothing(
    admin: Api, group: Group, engine: FakeEngine
) -> None:
    new = {"name": "fresh", "quota": {"cpu": 1, "memory": "1GiB", "instances": 1}}
    assert admin.post("/groups?dry_run=true", new).json()["quota"]["memory"] == 1 << 30
    assert not Group.objects.filter(name="fresh").exists()
    assert admin.delete("/groups/shop?dry_run=true").status_code == 204
    assert Group.objects.filter(name="shop").exists()
    assert admin.patch("/nodes/n1?dry_run=1", {"cordoned": True}).json()["cordoned"] is True
    assert not Node.objects.get().cordoned
    assert problem(admin.post("/groups?dry_run=true", {**new, "name": "shop"}))["code"] == "group_exists"


def test_a_dry_run_that_is_false_is_none(admin: Api, group: Group) -> None:
    assert admin.delete("/groups/shop?dry_run=false").status_code == 204
    assert not Group.objects.filter(name="shop").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["dryrun=true", "dry-run=true", "wait=1"])
def test_a_mistyped_parameter_of_a_change_is_refused_and_nothing_is_done(
    people: SimpleNamespace, group: Group, typed: str
) -> None:
    name = typed.partition("=")[0]
    answer = Api(people.owner).delete(f"/groups/shop/members/viewer?{typed}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [name]
    assert group.memberships.filter(user=people.viewer).exists()
