"""Waiting for an operation: the answer comes when it ends, not before and not much after."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.db import connections, transaction

from apps.accounts.models import User
from apps.accounts.services import create_token
from apps.applications import services
from apps.applications.models import App
from apps.groups.models import Group
from apps.operations import waiting
from apps.operations.models import Operation
from apps.operations.services import end
from cloud.asgi import application
from scheduler.engine.fake import FakeEngine
from scheduler.model import OperationStatus
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operation(people: SimpleNamespace, group: Group, engine: FakeEngine) -> Operation:
    services.create_app(people.developer, group, {"name": "web", "image": IMAGE})
    return Operation.objects.get()


@pytest.fixture(autouse=True)
async def no_connection_left(db: None) -> AsyncIterator[None]:
    """What `sync_to_async` opened in its thread would keep the test's database from being dropped."""
    yield
    await sync_to_async(connections.close_all)()


async def ask(user: User, operation: Operation, wait: str) -> ApplicationCommunicator:
    """Send the request and leave it to its fate."""
    secret = await sync_to_async(create_token)(user, str(time.monotonic()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": f"/api/v1/operations/{operation.pk}",
        "query_string": f"wait={wait}".encode(),
        "headers": [(b"host", b"testserver"), (b"authorization", f"Bearer {secret[1]}".encode())],
    }
    request = ApplicationCommunicator(application, scope)
    await request.send_input({"type": "http.request", "body": b""})
    return request


@sync_to_async
def ends(operation: Operation, status: OperationStatus) -> None:
    with transaction.atomic():
        end(operation, status)


async def answer(request: ApplicationCommunicator) -> tuple[int, dict[str, Any]]:
    head = await request.receive_output(20)
    body = await request.receive_output(20)
    await request.wait(20)
    return head["status"], json.loads(body["body"])


async def get(user: User, operation: Operation, wait: str) -> tuple[int, dict[str, Any]]:
    return await answer(await ask(user, operation, wait))


async def first_look(looks: list[bool]) -> None:
    """Return when someone waits for the operation: it was looked at after the subscription stood."""
    async with asyncio.timeout(20):
        while not looks:
            await asyncio.sleep(0.01)


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a hint can be what ends the wait."""
    monkeypatch.setattr(waiting, "LOOK_EVERY", 1000.0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each look at the operation while someone waits for it has found."""
    found: list[bool] = []
    look = waiting._has_ended

    async def noted(id: Any) -> bool:
        ended = await look(id)
        found.append(ended)
        return ended

    monkeypatch.setattr(waiting, "_has_ended", noted)
    return found


async def test_a_waiting_client_hears_of_the_end_at_once(
    people: SimpleNamespace, operation: Operation, slowly: None, looks: list[bool]
) -> None:
    request = await ask(people.viewer, operation, "60")
    await first_look(looks)
    await ends(operation, OperationStatus.SUPERSEDED)
    status, body = await answer(request)
    assert (status, body["status"]) == (200, "superseded")
    assert looks == [False, True]


async def test_what_ended_before_the_subscription_stood_is_not_missed(
    people: SimpleNamespace, operation: Operation, slowly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = waiting._Hints.subscribe

    async def late(self: Any) -> None:
        await ends(operation, OperationStatus.CANCELLED)
        await subscribe(self)

    monkeypatch.setattr(waiting._Hints, "subscribe", late)
    assert (await get(people.viewer, operation, "60"))[1]["status"] == "cancelled"


async def test_a_lost_hint_costs_a_moment(
    people: SimpleNamespace, operation: Operation, looks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.05)
    request = await ask(people.viewer, operation, "60")
    await first_look(looks)
    await Operation.objects.filter(pk=operation.pk).aupdate(status="succeeded", ended_at=operation.created_at)
    assert (await answer(request))[1]["status"] == "succeeded"


async def test_without_a_channel_layer_the_wait_goes_on(
    people: SimpleNamespace, operation: Operation, looks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        async def new_channel(self) -> str:
            raise ConnectionError("no Redis")

    monkeypatch.setattr(waiting, "get_channel_layer", Away)
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.05)
    request = await ask(people.viewer, operation, "60")
    await first_look(looks)
    await Operation.objects.filter(pk=operation.pk).aupdate(status="failed", ended_at=operation.created_at)
    assert (await answer(request))[1]["status"] == "failed"


async def test_when_the_time_is_over_the_answer_is_how_it_stands(
    people: SimpleNamespace, operation: Operation, looks: list[bool]
) -> None:
    assert (await get(people.viewer, operation, "0.05"))[1]["status"] == "pending"
    assert not any(looks)


async def test_a_client_that_goes_away_is_waited_for_no_longer(
    people: SimpleNamespace, operation: Operation, slowly: None, looks: list[bool]
) -> None:
    request = await ask(people.viewer, operation, "60")
    await first_look(looks)
    await request.send_input({"type": "http.disconnect"})
    await request.wait(20)
    assert await request.receive_nothing()
    assert get_channel_layer().groups == {}


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan", "inf", "1e9"])
async def test_a_wrong_time_is_refused(people: SimpleNamespace, operation: Operation, wait: str) -> None:
    status, body = await get(people.viewer, operation, wait)
    assert (status, body["errors"][0]["field"]) == (422, "wait")


async def test_an_outsider_does_not_wait(
    people: SimpleNamespace, operation: Operation, looks: list[bool], slowly: None
) -> None:
    assert (await get(people.outsider, operation, "60"))[0] == 404
    assert looks == []


async def test_what_has_ended_answers_at_once(
    people: SimpleNamespace, operation: Operation, looks: list[bool], slowly: None
) -> None:
    app = await App.objects.aget()
    await sync_to_async(services.stop)(people.developer, app)
    assert (await get(people.viewer, operation, "60"))[1]["status"] == "superseded"
    assert looks == []
