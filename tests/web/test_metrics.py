"""/metrics and /healthz."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from apps.groups.models import Group
from apps.rest import metrics
from scheduler.engine.fake import FakeEngine
from tests.web.api import Api
from tests.web.conftest import IMAGE

pytestmark = pytest.mark.django_db


def scrape(client: Client, **more: Any) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample by its name and the values of its labels."""
    response = client.get("/metrics", **more)
    assert response.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_apps_and_operations_are_counted_by_state(people: SimpleNamespace, group: Group, engine: FakeEngine) -> None:
    api = Api(people.developer)
    for name in ("a", "b"):
        api.post("/groups/shop/apps", {"name": name, "image": IMAGE})
    found = scrape(Client())
    assert found["berth_apps"] == {("pending",): 2}
    assert found["berth_operations"] == {("pending",): 2}
    assert "berth_instances" not in found


def test_states_are_one_query(group: Group) -> None:
    with CaptureQueriesContext(connection) as captured:
        scrape(Client())
    assert len(captured) == 1


def test_requests_are_counted_by_the_pattern_of_their_address(people: SimpleNamespace, group: Group) -> None:
    api, key = Api(people.viewer), ("GET", "api/v1/groups/<name:group>", "200")
    before = scrape(Client())["berth_http_requests_total"].get(key, 0)
    for _time in range(3):
        api.get("/groups/shop")
    api("BREW", "/groups/shop")
    found = scrape(Client())
    assert found["berth_http_requests_total"][key] == before + 3
    assert found["berth_http_request_seconds_count"][key[:2]] >= 3
    methods = {labels[0] for labels in found["berth_http_requests_total"]}
    assert "BREW" not in methods


@pytest.mark.parametrize(
    "more",
    [
        {"REMOTE_ADDR": "10.1.2.3"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "10.1.2.3"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"REMOTE_ADDR": "10.1.2.3", "HTTP_AUTHORIZATION": "Bearer berth_wrong"},
    ],
)
def test_from_elsewhere_there_are_no_metrics(more: dict[str, str]) -> None:
    assert Client().get("/metrics", **more).status_code == 404


def test_an_admins_token_opens_them_from_elsewhere(people: SimpleNamespace) -> None:
    for user, status in ((people.admin, 200), (people.owner, 404)):
        token = Api(user).headers["Authorization"]
        assert Client().get("/metrics", REMOTE_ADDR="10.1.2.3", HTTP_AUTHORIZATION=token).status_code == status


def test_networks_that_may_read_them_are_a_setting(settings: Any) -> None:
    settings.BERTH = replace(settings.BERTH, metrics_from=("10.1.0.0/16", "fd00::/8"))
    for address, status in (("10.1.2.3", 200), ("fd00::1", 200), ("10.2.0.1", 404), ("127.0.0.1", 404)):
        assert Client().get("/metrics", REMOTE_ADDR=address).status_code == status
    assert Client().get("/metrics", REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="192.0.2.1").status_code == 404


def test_health_is_whether_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}

    class Away:
        def cursor(self) -> None:
            raise DatabaseError

    monkeypatch.setattr(metrics, "connection", Away())
    assert Client().get("/healthz").status_code == 503
