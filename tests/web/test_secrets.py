"""Environments at rest."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from apps.applications import secrets
from apps.applications.models import Release
from apps.groups.models import Group
from apps.rest.models import IdempotencyKey
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api
from tests.web.conftest import IMAGE

ENV = {"KEY": "s3cret", "ÜBER": "日本\n$(x)"}


def test_what_is_encrypted_comes_back_and_says_nothing_in_between() -> None:
    stored = secrets.encrypt(ENV)
    assert b"s3cret" not in stored
    assert b"KEY" not in stored
    assert secrets.decrypt(stored) == ENV
    assert secrets.decrypt(memoryview(stored)) == ENV


def test_a_fingerprint_is_of_the_content_alone() -> None:
    assert secrets.fingerprint({"A": "1", "B": "2"}) == secrets.fingerprint({"B": "2", "A": "1"})
    assert len({secrets.fingerprint(env) for env in ({}, {"A": "1"}, {"A": "2"}, {"B": "1"}, {"A": "1", "B": ""})}) == 5


def test_a_fingerprint_outlives_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    before = secrets.fingerprint(ENV)
    monkeypatch.setattr(settings, "BERTH_ENV_KEYS", (Fernet.generate_key().decode(),))
    assert secrets.fingerprint(ENV) == before
    monkeypatch.setattr(settings, "SECRET_KEY", "another")
    assert secrets.fingerprint(ENV) != before


def test_without_a_key_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BERTH_ENV_KEYS", ())
    with pytest.raises(ImproperlyConfigured):
        secrets.encrypt(ENV)


@pytest.mark.django_db
def test_after_a_rotation_the_old_key_can_go(
    people: SimpleNamespace, group: Group, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(people.developer)
    api.post("/groups/shop/apps", {"name": "web", "image": IMAGE, "env": {"KEY": "s3cret"}}, idempotency_key="one")
    api.patch("/groups/shop/apps/web", {"env": {"KEY": "s3cret-too"}})
    old, new = settings.BERTH_ENV_KEYS[0], Fernet.generate_key().decode()
    monkeypatch.setattr(settings, "BERTH_ENV_KEYS", (new, old))
    out = StringIO()
    call_command("rotate_env_keys", stdout=out)
    assert out.getvalue() == "2 environments are under the newest key.\n"
    monkeypatch.setattr(settings, "BERTH_ENV_KEYS", (new,))
    envs = [secrets.decrypt(release.env)["KEY"] for release in Release.objects.order_by("number")]
    assert envs == ["s3cret", "s3cret-too"]
    secrets.decrypt_bytes(IdempotencyKey.objects.get().body)


@pytest.mark.django_db
def test_a_rotation_that_lacks_a_key_says_so_and_leaves_all_readable(
    people: SimpleNamespace, group: Group, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Api(people.developer).post("/groups/shop/apps", {"name": "web", "image": IMAGE, "env": {"KEY": "s3cret"}})
    with monkeypatch.context() as patched:
        patched.setattr(settings, "BERTH_ENV_KEYS", (Fernet.generate_key().decode(),))
        with pytest.raises(CommandError, match="release"):
            call_command("rotate_env_keys")
    assert secrets.decrypt(Release.objects.get().env) == {"KEY": "s3cret"}
