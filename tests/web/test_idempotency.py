"""`Idempotency-Key`: the same POST again answers the same and does nothing twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.applications import services
from apps.applications.models import App
from apps.groups.models import Group
from apps.rest.idempotency import KEPT
from apps.rest.models import IdempotencyKey
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api, problem
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db

APPS = "/groups/shop/apps"
SPEC = {"name": "web", "image": IMAGE}


@pytest.fixture
def api(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Api:
    return Api(people.developer)


def test_the_same_request_again_gets_the_same_answer(api: Api) -> None:
    first = api.post(APPS, SPEC, idempotency_key="one")
    again = api.post(APPS, SPEC, idempotency_key="one")
    assert (again.status_code, again.content, again["Location"]) == (202, first.content, first["Location"])
    assert again["Idempotency-Replayed"] == "true"
    assert App.objects.count() == 1


def test_without_a_key_the_second_request_is_its_own(api: Api) -> None:
    api.post(APPS, SPEC, idempotency_key="one")
    assert problem(api.post(APPS, SPEC))["code"] == "app_exists"
    assert problem(api.post(APPS, SPEC, idempotency_key="two"))["code"] == "app_exists"


@pytest.mark.parametrize(
    ("path", "body"), [(APPS, {**SPEC, "replicas": 2}), (f"{APPS}?dry_run=false", SPEC), (f"{APPS}/web/stop", None)]
)
def test_a_key_belongs_to_one_request(api: Api, path: str, body: Any) -> None:
    api.post(APPS, SPEC, idempotency_key="one")
    refused = problem(api.post(path, body, idempotency_key="one"))
    assert (refused["status"], refused["code"]) == (422, "idempotency_key_reused")


def test_keys_of_different_users_have_nothing_to_do_with_each_other(api: Api, people: SimpleNamespace) -> None:
    api.post(APPS, SPEC, idempotency_key="one")
    stop = Api(people.owner).post(f"{APPS}/web/stop", idempotency_key="one")
    assert stop.json()["kind"] == "stop"


def test_what_was_refused_may_be_sent_again(api: Api, group: Group) -> None:
    assert problem(api.post(APPS, {**SPEC, "replicas": 100}, idempotency_key="one"))["code"] == "over_quota"
    assert not IdempotencyKey.objects.exists()
    Group.objects.update(quota_instances=100, quota_cpu=25_000)
    assert api.post(APPS, {**SPEC, "replicas": 100}, idempotency_key="one").status_code == 202


def test_a_dry_run_uses_up_no_key(api: Api) -> None:
    assert api.post(f"{APPS}?dry_run=true", SPEC, idempotency_key="one").status_code == 200
    assert api.post(APPS, SPEC, idempotency_key="one").status_code == 202


def test_a_request_whose_outcome_is_unknown_is_not_carried_out_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    create = services.create_app

    def dies(*args: Any, **kwargs: Any) -> None:
        create(*args, **kwargs)
        raise RuntimeError("the process dies after the commit")

    monkeypatch.setattr(services, "create_app", dies)
    with pytest.raises(RuntimeError):
        api.post(APPS, SPEC, idempotency_key="one")
    monkeypatch.undo()
    assert problem(api.post(APPS, SPEC, idempotency_key="one"))["code"] == "idempotency_key_in_use"
    assert App.objects.count() == 1


def test_keys_are_forgotten_after_a_day(api: Api) -> None:
    api.post(APPS, SPEC, idempotency_key="one")
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT - timedelta(seconds=1))
    assert problem(api.post(APPS, SPEC, idempotency_key="one"))["code"] == "app_exists"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel"])
def test_a_key_is_visible_ascii(api: Api, key: str) -> None:
    refused = problem(api.post(APPS, SPEC, idempotency_key=key))
    assert refused["errors"][0]["field"] == "Idempotency-Key"
    assert not App.objects.exists()


def test_the_answer_to_a_new_token_is_kept_encrypted(api: Api) -> None:
    first = api.post("/tokens", {"name": "ci"}, idempotency_key="one")
    secret = first.json()["token"]
    assert secret.encode() not in bytes(IdempotencyKey.objects.get().body)
    assert api.post("/tokens", {"name": "ci"}, idempotency_key="one").json()["token"] == secret
    assert ApiToken.objects.filter(name="ci").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_carried_out(people: SimpleNamespace, group: Group, engine: FakeEngine) -> None:
    api, start = Api(people.developer), threading.Barrier(6)

    def send(_number: int) -> Any:
        start.wait()
        try:
            return api.post(APPS, SPEC, idempotency_key="one")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    carried_out = [answer for answer in answers if answer.status_code == 202]
    assert carried_out
    assert len({answer.content for answer in carried_out}) == 1
    assert {problem(a)["code"] for a in answers if a.status_code != 202} <= {"idempotency_key_in_use"}
    assert App.objects.get().releases.count() == 1
