"""Apps through the API, from the first deploy to their deletion."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from apps.applications import http_spec
from apps.applications.forms import defaults
from apps.applications.models import App, Release
from apps.applications.secrets import MASK
from apps.events.models import Event
from apps.groups.models import Group
from apps.operations.models import Operation
from scheduler.engine.fake import FakeEngine
from scheduler.model import OperationStatus
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE, OTHER_IMAGE, digest

pytestmark = pytest.mark.django_db

APPS = "/groups/shop/apps"
WEB = f"{APPS}/web"
SPEC = {"name": "web", "image": IMAGE, "replicas": 2, "env": {"KEY": "s3cret"}, "routes": [{"host": "web.test"}]}


@pytest.fixture
def api(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Api:
    return Api(people.developer)


@pytest.fixture
def web(api: Api) -> App:
    api.post(APPS, SPEC)
    return App.objects.get(name="web")


def serves(app: App) -> None:
    """What the loop records when all that was asked for is true."""
    app.refresh_from_db()
    App.objects.filter(pk=app.pk).update(last_good=app.release, settled=True)
    Operation.objects.filter(app=app, ended_at=None).update(status=OperationStatus.SUCCEEDED, ended_at=app.created_at)


def test_a_new_app_is_accepted_with_an_operation_to_ask_for(api: Api, group: Group) -> None:
    response = api.post(APPS, SPEC)
    operation = response.json()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/operations/{operation['id']}"
    assert (operation["kind"], operation["status"], operation["release"]) == ("create", "pending", 1)
    assert (operation["group"], operation["app"], operation["created_by"]) == ("shop", "web", "developer")
    shown = api.get(response["Location"]).json()
    assert shown.pop("report")["served_unknown"]["code"] == "not_begun"
    assert shown == operation


def test_an_app_shows_its_spec_in_full_and_masks_its_environment(api: Api, web: App) -> None:
    shown = api.get(WEB).json()
    assert shown["digest"] == digest(1)
    assert shown["status"] == "pending"
    assert shown["operation"] == str(web.operations.get().pk)
    assert shown["spec"] == {
        "name": "web",
        "image": IMAGE,
        "command": None,
        "env": {"KEY": "********"},
        "port": 8000,
        "protocol": "http",
        "priority": None,
        "replicas": 2,
        "resources": {"cpu": 0.25, "memory": "64MiB", "disk": "0B"},
        "health": {
            "path": "/",
            "command": None,
            "interval": "2s",
            "timeout": "1s",
            "failures": 3,
            "successes": 1,
            "grace": "30s",
        },
        "routes": [{"host": "web.test", "path": "/", "extensions": [], "rewrite": None, "redirect": None}],
        "http": http_spec.defaults(),
        "expose": False,
        "placement": defaults()["placement"],
        "update": {
            "strategy": "rolling",
            "max_surge": 1,
            "max_unavailable": 0,
            "on_failure": "rollback",
            "deadline": "5m",
            "drain": "10s",
            "stop_signal": None,
            "stop_timeout": "10s",
            "keep": "1m",
            "min_ready": "0s",
            "canary": {
                "steps": [
                    {"weight": 5, "duration": "5m"},
                    {"weight": 25, "duration": "5m"},
                ],
                "header": None,
                "cookie": None,
                "errors": 5.0,
                "errors_over": None,
                "latency": None,
                "latency_over": None,
                "requests": 50,
            },
        },
    }


def test_sending_back_what_was_shown_changes_nothing(api: Api, web: App) -> None:
    serves(web)
    response = api.patch(WEB, api.get(WEB).json()["spec"])
    assert (response.status_code, response.json()["status"]) == (202, "succeeded")
    assert web.releases.count() == 1


def test_a_change_that_is_wanted_already_answers_the_operation_at_work_on_it(api: Api, web: App) -> None:
    assert api.patch(WEB, {"replicas": 2}).json()["id"] == str(web.operations.get().pk)


def test_a_change_that_never_came_true_is_tried_again_when_asked_for_again(api: Api, web: App) -> None:
    Operation.objects.update(status=OperationStatus.FAILED, ended_at=web.created_at)
    again = api.patch(WEB, {"replicas": 2}).json()
    assert (again["status"], again["release"]) == ("pending", 1)
    assert web.releases.count() == 1


def test_a_change_makes_a_release_and_supersedes_the_operation_under_way(api: Api, web: App) -> None:
    first = web.operations.get()
    operation = api.patch(WEB, {"env": {"OTHER": "x"}, "port": 9000}).json()
    assert (operation["kind"], operation["release"]) == ("deploy", 2)
    first.refresh_from_db()
    assert first.status == "superseded"
    assert first.ended_at is not None
    assert api.get(WEB).json()["spec"]["env"] == {"KEY": "********", "OTHER": "********"}


def test_the_image_is_resolved_anew_only_when_it_is_named(api: Api, web: App, engine: FakeEngine) -> None:
    engine.references[IMAGE] = engine.references[OTHER_IMAGE]
    api.patch(WEB, {"replicas": 3})
    assert api.get(WEB).json()["digest"] == digest(1)
    api.patch(WEB, {"image": IMAGE})
    assert api.get(WEB).json()["digest"] == digest(2)


def test_a_rollback_is_a_new_release_with_the_old_image_and_environment(api: Api, web: App) -> None:
    api.patch(WEB, {"image": OTHER_IMAGE, "env": {"KEY": None}, "routes": []})
    operation = api.post(f"{WEB}/rollback", {"release": 1}).json()
    assert (operation["kind"], operation["release"]) == ("rollback", 3)
    newest = api.get(f"{WEB}/releases").json()["items"][0]
    assert (newest["number"], newest["made_from"], newest["digest"]) == (3, 1, digest(1))
    assert newest["spec"] == api.get(f"{WEB}/releases/1").json()["spec"]
    assert web.routes.get().host == "web.test"


def test_a_restart_keeps_the_release(api: Api, web: App) -> None:
    operation = api.post(f"{WEB}/restart").json()
    web.refresh_from_db()
    assert (operation["kind"], web.restarts, web.releases.count()) == ("restart", 1, 1)


def test_a_stopped_app_reserves_nothing_until_it_is_started(api: Api, web: App, group: Group) -> None:
    reserved = api.get("/groups/shop").json()["reserved"]
    assert reserved == {"cpu": 0.5, "memory": 128 << 20, "disk": 0, "instances": 2}
    assert api.post(f"{WEB}/stop").json()["kind"] == "stop"
    assert api.get("/groups/shop").json()["reserved"]["cpu"] == 0
    assert problem(api.post(f"{WEB}/restart"))["code"] == "app_stopped"
    api.post(f"{WEB}/scale", {"replicas": 3})
    assert api.get("/groups/shop").json()["reserved"]["instances"] == 0
    api.post(f"{WEB}/start")
    assert api.get("/groups/shop").json()["reserved"]["instances"] == 3


def test_a_deleted_app_is_going_and_takes_no_more_changes(api: Api, web: App) -> None:
    assert api.delete(WEB).json()["kind"] == "delete"
    assert api.get(WEB).json()["deleting"] is True
    assert api.get("/groups/shop").json()["reserved"]["memory"] == 0
    for change in (api.patch(WEB, {"replicas": 3}), api.post(f"{WEB}/start"), api.delete(WEB)):
        assert problem(change)["code"] == "app_deleting"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", APPS, {**SPEC, "name": "second", "routes": []}),
        ("PATCH", WEB, {"replicas": 5, "env": {"NEW": "n3w"}}),
        ("POST", f"{WEB}/scale", {"replicas": 7}),
        ("POST", f"{WEB}/restart", None),
        ("POST", f"{WEB}/stop", None),
        ("DELETE", WEB, None),
    ],
)
def test_a_dry_run_answers_with_the_plan_and_changes_nothing(
    api: Api, web: App, method: str, path: str, body: Any
) -> None:
    before = everything()
    response = api(method, f"{path}?dry_run=true", body)
    assert response.status_code == 200
    assert set(response.json()) == {"keep", "create", "retire", "pending", "explanation"}
    assert b"n3w" not in response.content
    assert everything() == before


def test_a_dry_run_refuses_what_the_change_would_be_refused_for(api: Api, web: App) -> None:
    assert problem(api.post(f"{WEB}/scale?dry_run=true", {"replicas": 900}))["code"] == "over_quota"


def test_cancelling_goes_back_to_the_release_that_served(api: Api, web: App) -> None:
    serves(web)
    operation = api.patch(WEB, {"image": OTHER_IMAGE, "replicas": 4}).json()
    assert api.post(f"/operations/{operation['id']}/cancel").json()["status"] == "cancelled"
    shown = api.get(WEB).json()
    assert (shown["release"], shown["digest"], shown["spec"]["replicas"]) == (3, digest(1), 2)
    assert problem(api.post(f"/operations/{operation['id']}/cancel"))["code"] == "operation_ended"
    assert api.get("/groups/shop").json()["reserved"]["instances"] == 2


def test_cancelling_the_first_deploy_stops_the_app(api: Api, web: App) -> None:
    api.post(f"/operations/{web.operations.get().pk}/cancel")
    assert api.get(WEB).json()["running"] is False
    assert api.get("/groups/shop").json()["reserved"]["instances"] == 0


def test_a_restart_cannot_be_cancelled(api: Api, web: App) -> None:
    operation = api.post(f"{WEB}/restart").json()
    assert problem(api.post(f"/operations/{operation['id']}/cancel"))["code"] == "not_cancellable"


def test_names_and_routes_are_given_once(api: Api, web: App, people: SimpleNamespace, other: Group) -> None:
    assert problem(api.post(APPS, SPEC))["code"] == "app_exists"
    stranger = Api(people.outsider)
    refused = problem(stranger.post("/groups/other/apps", SPEC))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("routes[0]", "route_taken")]
    assert not App.objects.filter(group=other).exists()
    elsewhere = {**SPEC, "routes": [{"host": "WEB.test.", "path": "/other/"}]}
    refused = problem(stranger.post("/groups/other/apps", elsewhere))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("routes[0].host", "host_taken")]
    assert api.post(APPS, {**elsewhere, "name": "beside"}).status_code == 202


def test_redirects_may_not_lead_in_circles_by_way_of_another_app(api: Api, web: App) -> None:
    away = {"routes": [{"host": "web.test"}, {"host": "old.test", "redirect": {"host": "new.test"}}]}
    assert api.patch(WEB, away).status_code == 202
    back = {**SPEC, "name": "back", "routes": [{"host": "new.test", "redirect": {"host": "old.test"}}]}
    refused = problem(api.post(APPS, back))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("routes[0].redirect", "redirect_loop")]


def test_an_exposed_app_has_a_port_that_nobody_else_has(
    api: Api, web: App, people: SimpleNamespace, other: Group, settings: Any
) -> None:
    settings.BERTH = replace(settings.BERTH, tcp_ports=range(20000, 20002))
    queue = {"name": "queue", "image": SPEC["image"], "protocol": "tcp", "expose": True}
    assert api.post(APPS, queue).status_code == 202
    stranger = Api(people.outsider)
    assert stranger.post("/groups/other/apps", queue).status_code == 202
    ports = [api.get(f"{APPS}/queue").json()["tcp_port"], stranger.get("/groups/other/apps/queue").json()["tcp_port"]]
    assert ports == [20000, 20001]
    refused = problem(api.post(APPS, {**queue, "name": "third"}))
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("expose", "no_port")]
    assert api.patch(f"{APPS}/queue", {"replicas": 2}).status_code == 202
    assert api.get(f"{APPS}/queue").json()["tcp_port"] == 20000
    assert stranger.patch("/groups/other/apps/queue", {"expose": False}).status_code == 202
    assert api.post(APPS, {**queue, "name": "third"}).status_code == 202
    assert api.get(f"{APPS}/third").json()["tcp_port"] == 20001
    assert api.get(WEB).json()["tcp_port"] is None


def test_passwords_for_an_app_are_shown_to_nobody(api: Api, web: App, people: SimpleNamespace) -> None:
    assert api.patch(WEB, {"http": {"users": {"alice": "s3cret horse"}}}).status_code == 202
    web.refresh_from_db()
    stored = web.release.spec["http"]["users"]["alice"]
    assert stored.startswith("$5$")
    for path in (WEB, APPS, f"{WEB}/releases", "/events", "/operations"):
        content = api.get(path).content.decode()
        assert "s3cret" not in content
        assert stored not in content
    shown = api.get(WEB).json()["spec"]
    assert shown["http"]["users"] == {"alice": MASK}
    assert api.patch(WEB, shown).json()["kind"]
    web.refresh_from_db()
    assert web.release.spec["http"]["users"] == {"alice": stored}


def test_no_answer_event_or_log_ever_holds_a_secret(
    api: Api, web: App, people: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    api.patch(WEB, {"env": {"KEY": "s3cret-too", "BAD=": "s3cret-three"}})
    api.patch(WEB, {"env": {"KEY": "s3cret-too"}})
    for path in (WEB, APPS, f"{WEB}/releases", "/events", "/operations", f"{WEB}?dry_run=true"):
        assert b"s3cret" not in Api(people.owner).get(path).content
    assert "s3cret" not in str(list(Event.objects.values()))
    assert "s3cret" not in str(list(Release.objects.values("spec", "env")))
    assert "s3cret" not in caplog.text


def test_a_value_is_kept_literally(api: Api, web: App) -> None:
    from apps.applications import secrets

    values = {"A": "$(rm -rf /)", "B": "${HOME}", "C": "a\nb\t'\"\\", "D": "=x=", "E": "", "F": "日本"}
    api.patch(WEB, {"env": values})
    web.refresh_from_db()
    assert secrets.decrypt(web.release.env) == {"KEY": "s3cret", **values}


def everything() -> list[Any]:
    """Every row that a change of an app could touch."""
    rows: list[Any] = [list(model.objects.order_by("pk").values()) for model in (App, Release, Operation, Event)]
    return [*rows, list(Group.objects.values())]


CANARY = {"strategy": "canary", "canary": {"steps": [{"weight": 5}, {"weight": 50, "duration": "1m"}], "errors": None}}


@pytest.fixture
def tried(api: Api, web: App) -> dict[str, Any]:
    """The operation of a release that has five percent of the traffic."""
    serves(web)
    operation: dict[str, Any] = api.patch(WEB, {"image": OTHER_IMAGE, "update": CANARY}).json()
    web.refresh_from_db()
    App.objects.filter(pk=web.pk).update(canary_release=web.release.number, canary_weight=5)
    return operation


def test_a_canary_says_how_far_it_is(api: Api, tried: dict[str, Any]) -> None:
    shown = api.get(WEB).json()["canary"]
    assert (shown["release"], shown["step"], shown["weight"], shown["promoted"]) == (2, 1, 5, False)
    assert shown["steps"] == [{"weight": 5, "duration": None}, {"weight": 50, "duration": 60.0}]
    assert (shown["since"], shown["ends_at"]) == (None, None)


def test_a_canary_is_promoted_to_a_step_or_to_all_and_asking_again_changes_nothing(
    api: Api, web: App, tried: dict[str, Any]
) -> None:
    path = f"/operations/{tried['id']}/promote"
    for body, step in (({"step": 1}, 0), ({"step": 2}, 1), ({"step": 2}, 1), ({}, 2), ({"step": 1}, 2), (None, 2)):
        assert api.post(path, body).json()["status"] == "pending"
        web.refresh_from_db()
        assert web.promoted_step == step
    assert [e["field"] for e in problem(api.post(path, {"step": 3}))["errors"]] == ["step"]
    assert problem(api.post(path, {"steps": 1}))["code"] == "invalid"


def test_a_canary_is_aborted_and_asking_again_changes_nothing(api: Api, web: App, tried: dict[str, Any]) -> None:
    path = f"/operations/{tried['id']}/abort"
    ended = api.post(path).json()
    assert ended["status"] == "rolled_back"
    assert ended["error"]["reason"]["code"] == "canary_aborted"
    assert api.post(path).json() == ended
    shown = api.get(WEB).json()
    assert (shown["release"], shown["digest"], shown["canary"]) == (3, digest(1), None)
    assert problem(api.post(f"/operations/{tried['id']}/promote"))["code"] == "operation_ended"


def test_what_is_no_canary_is_neither_promoted_nor_aborted(api: Api, web: App) -> None:
    path = f"/operations/{web.operations.get().pk}"
    assert {problem(api.post(f"{path}/{act}"))["code"] for act in ("promote", "abort")} == {"no_canary"}
    serves(web)
    assert {problem(api.post(f"{path}/{act}"))["code"] for act in ("promote", "abort")} == {"operation_ended"}


def test_only_developers_decide_about_a_canary(people: SimpleNamespace, tried: dict[str, Any]) -> None:
    for act in ("promote", "abort"):
        assert Api(people.viewer).post(f"/operations/{tried['id']}/{act}").status_code == 403
        assert Api(people.outsider).post(f"/operations/{tried['id']}/{act}").status_code == 404


def test_an_app_whose_release_is_tried_is_not_restarted(api: Api, tried: dict[str, Any]) -> None:
    assert problem(api.post(f"{WEB}/restart"))["code"] == "canary_under_way"


@pytest.mark.parametrize(
    ("update", "field"),
    [
        ({"canary": {"steps": [{"weight": 5}, {"weight": 5}]}}, "update.canary.steps"),
        ({"canary": {"steps": [{"weight": 101}]}}, "update.canary.steps[0].weight"),
        ({"canary": {"steps": [{"duration": "1m"}]}}, "update.canary.steps[0].weight"),
        ({"canary": {"steps": [{"weight": 5, "duration": "1x"}]}}, "update.canary.steps[0].duration"),
        ({"canary": {"header": {"name": "X Y", "value": "1"}}}, "update.canary.header.name"),
        ({"canary": {"header": {"name": "X-Y", "value": "a;b"}}}, "update.canary.header.value"),
        ({"canary": {"cookie": {"name": "a=b", "value": "1"}}}, "update.canary.cookie.name"),
        ({"canary": {"errors": 101}}, "update.canary.errors"),
        ({"canary": {"errors": True}}, "update.canary.errors"),
        ({"canary": {"latency_over": 0.5}}, "update.canary.latency_over"),
        ({"canary": {"requests": 0}}, "update.canary.requests"),
        ({"canary": {"weight": 5}}, "update.canary.weight"),
        ({"min_ready": "-1s"}, "update.min_ready"),
    ],
)
def test_a_wrong_canary_is_refused_by_field(api: Api, update: dict[str, Any], field: str) -> None:
    assert [e["field"] for e in problem(api.post(APPS, {**SPEC, "update": update}))["errors"]] == [field]


def test_only_apps_that_speak_http_are_tried(api: Api) -> None:
    spec = {"name": "db", "image": IMAGE, "protocol": "tcp", "update": {"strategy": "canary"}}
    assert [e["field"] for e in problem(api.post(APPS, spec))["errors"]] == ["update.strategy"]
