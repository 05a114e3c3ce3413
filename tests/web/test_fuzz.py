"""The whole API under generated requests, from its own description: no 5xx, and every answer as described."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts.services import create_token
from apps.applications import services
from apps.applications.models import App, Instance
from apps.certificates import services as certificates
from apps.groups import services as groups
from apps.groups.models import Group
from apps.nodes.models import Node
from apps.placement.models import PriorityClass
from scheduler.engine.fake import FakeEngine
from scheduler.lifecycle import State
from tests.certificates import make
from tests.web.conftest import IMAGE
from tests.web.effort import IN_FULL, examples

pytestmark = pytest.mark.django_db

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

api = schemathesis.openapi.from_wsgi(
    "/api/v1/schema?format=json", get_wsgi_application(), headers={"Host": "testserver"}
)
api.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests stay in the test's transaction: as for Django's own client, none of them closes its connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def known(people: SimpleNamespace, group: Group, other: Group, engine: FakeEngine) -> dict[str, Any]:
    """Something that exists for every argument of a path, and who may do all with it."""
    services.create_app(people.developer, group, {"name": "web", "image": IMAGE, "env": {"KEY": "s3cret"}})
    app, now = App.objects.get(), timezone.now()
    Instance.objects.create(
        app=app, group=group, release=app.release, node=Node.objects.get(), slot=0, generation=1, template="t",
        address="10.96.0.2", cpu=250, memory=1 << 20, disk=0, state=State.ASSIGNED, since=now, created_at=now,
    )  # fmt: skip
    made = make("shop.test")
    certificates.upload(people.developer, group, "tls", made.certificate, made.key)
    groups.set_member(people.admin, group, "admin", "owner")
    token, secret = create_token(people.admin, "fuzz")
    return {
        "secret": secret,
        "group": "shop",
        "app": "web",
        "number": 1,
        "instance": "0-1",
        "id": str(app.operations.get().pk),
        "username": "owner",
        "node": "n1",
        "certificate": "tls",
        "priority": PriorityClass.objects.create(name="high", value=100).name,
        "token": token.pk + 1,  # not the one that is used here
    }


@api.parametrize()
@settings(
    max_examples=examples(16),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate] if IN_FULL else [Phase.generate],  # explicit: each edge of the schema
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_answers_as_it_is_described(case: schemathesis.Case, known: dict[str, Any]) -> None:
    # By chance hardly a request would name what exists, so most are made to.
    size = len(str(case.body))
    if size % 8:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known[name]
    if size % 2 and isinstance(case.body, dict) and "image" in case.body:
        case.body["image"] = IMAGE
    headers = {"Host": "testserver", "Authorization": f"Bearer {known['secret']}"}
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS)
    assert b"s3cret" not in response.content
    assert b"PRIVATE KEY" not in response.content
