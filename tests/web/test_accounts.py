"""Users and tokens."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import ApiToken, User
from apps.accounts.services import USED_EVERY, create_token, find_token
from tests.web.api import Api, problem

pytestmark = pytest.mark.django_db


def test_a_token_is_shown_once_and_stored_as_a_digest(people: SimpleNamespace) -> None:
    token, secret = create_token(people.owner, "ci")
    assert secret.startswith("berth_")
    assert secret.startswith(token.prefix)
    assert secret not in str(ApiToken.objects.values().get())
    assert find_token(secret) == token
    for wrong in (secret + "x", secret[:-1], "", "berth_", token.digest, "\ud800"):
        assert find_token(wrong) is None


def test_a_token_ends_when_it_expires(people: SimpleNamespace) -> None:
    token, secret = create_token(people.owner, "ci", timezone.now() + timedelta(hours=1))
    assert find_token(secret) is not None
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    assert find_token(secret) is None


def test_the_last_use_is_noted_at_most_once_a_minute(people: SimpleNamespace) -> None:
    _token, secret = create_token(people.owner, "ci")
    find_token(secret)
    first = ApiToken.objects.get().last_used_at
    with CaptureQueriesContext(connection) as captured:
        find_token(secret)
    assert len(captured) == 1
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - USED_EVERY)
    find_token(secret)
    assert ApiToken.objects.get().last_used_at >= first


def test_tokens_are_made_listed_and_revoked(people: SimpleNamespace) -> None:
    api = Api(people.viewer)
    made = api.post("/tokens", {"name": "ci", "expires_at": "2100-01-01T00:00:00Z"})
    assert made.status_code == 201
    body = made.json()
    listed = {token["name"]: token for token in api.get("/tokens").json()["items"]}
    assert listed["ci"] == {name: value for name, value in body.items() if name != "token"}
    ci = Api()
    ci.headers["Authorization"] = f"Bearer {body['token']}"
    assert ci.get("/me").json()["username"] == "viewer"
    assert problem(api.post("/tokens", {"name": "ci"}))["code"] == "token_exists"
    assert api.delete(f"/tokens/{body['id']}").status_code == 204
    assert problem(ci.get("/me"))["code"] == "authentication_failed"


def test_admins_let_people_in(people: SimpleNamespace) -> None:
    admin = Api(people.admin)
    new = {"username": "new", "password": "correct horse battery", "email": "new@example.com"}
    response = admin.post("/users", new)
    assert response.status_code == 201
    assert "password" not in response.content.decode()
    assert admin.get("/users/new").json()["admin"] is False
    assert User.objects.get(username="new").check_password(new["password"])
    assert problem(admin.post("/users", new))["code"] == "user_exists"
    assert problem(admin.get("/users/nobody"))["status"] == 404


def test_a_user_without_a_password_cannot_log_in(people: SimpleNamespace) -> None:
    Api(people.admin).post("/users", {"username": "robot"})
    assert not User.objects.get(username="robot").has_usable_password()
