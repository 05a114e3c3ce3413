"""What the edges have served of an app: in the API, on its page and in the metrics."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from apps.applications.plots import STEPS, plots
from apps.groups.models import Group
from scheduler.traffic.figures import Figures, Outcome, bin_of
from scheduler.traffic.source import FakeSource, Point, Totals
from tests.web.api import Api, problem
from tests.web.scheduler import build
from tests.web.test_metrics import scrape

pytestmark = pytest.mark.django_db

WHERE = "/groups/shop/apps/web/traffic"
GOOD = Figures({Outcome.SERVED: 90}, 900, 9000, {bin_of(4): 90}, 360, 2)
BAD = Figures({Outcome.SERVED: 5, Outcome.ERROR: 5}, 100, 1000, {bin_of(400): 10}, 4000, 1)
NONE = Figures({Outcome.NO_SERVER: 3}, 30, 600)


@pytest.fixture
def viewer(people: SimpleNamespace, group: Group) -> Api:
    build.app(group, "web")
    return Api(people.viewer)


def points(now: float) -> list[Point]:
    begin = int(now) // 10 * 10
    return [Point(begin - 20, 10, {1: GOOD}), Point(begin - 10, 10, {0: NONE, 1: GOOD, 2: BAD})]


def test_the_window_sums_up_and_the_series_goes_step_by_step(viewer: Api, traffic: FakeSource) -> None:
    traffic.points = points(2_000_000_000)
    traffic.figures = {(("shop", "web"), 1): GOOD, (("shop", "web"), 2): BAD}
    found = viewer.get(WHERE).json()
    assert found["window"]["seconds"] == 60
    everything = found["window"]["all"]
    assert (everything["requests"], everything["errors"], everything["sessions"]) == (193, 8, 3)
    assert everything["outcomes"] == {"2xx": 185, "5xx": 5, "no_server": 3}
    assert [each["release"] for each in found["window"]["releases"]] == [0, 1, 2]
    one = found["window"]["releases"][1]
    assert (one["requests"], one["bytes_in"], one["bytes_out"], one["sessions"]) == (180, 1800, 18_000, 2)
    assert one["p50"] == pytest.approx(0.0045)
    assert found["window"]["releases"][0]["p50"] is None
    assert [(step["begin"], step["seconds"], len(step["releases"])) for step in found["series"]] == [
        ("2033-05-18T03:33:00Z", 10, 1),
        ("2033-05-18T03:33:10Z", 10, 3),
    ]


def test_without_traffic_there_is_nothing_to_tell(viewer: Api) -> None:
    found = viewer.get(WHERE).json()
    assert (found["window"]["all"]["requests"], found["window"]["releases"], found["series"]) == (0, [], [])


@pytest.mark.parametrize("query", ["window=9", "window=86401", "series=x", "series=-1", "series=10.0"])
def test_times_are_whole_seconds_within_bounds(viewer: Api, query: str) -> None:
    assert problem(viewer.get(f"{WHERE}?{query}"))["errors"][0]["field"] == query.partition("=")[0]


def test_figures_that_cannot_be_read_are_not_none(viewer: Api, traffic: FakeSource) -> None:
    traffic.unavailable = "away"
    assert problem(viewer.get(WHERE))["code"] == "traffic_unavailable"


def test_to_outsiders_there_is_no_such_app(viewer: Api, people: SimpleNamespace) -> None:
    assert Api(people.outsider).get(WHERE).status_code == 404


def page(user: object) -> str:
    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    response = client.get(reverse("app", args=("shop", "web")))
    assert response.status_code == 200, response.headers
    return response.content.decode()


def test_the_page_shows_plots_and_the_last_minute_by_release(
    viewer: Api, people: SimpleNamespace, traffic: FakeSource
) -> None:
    traffic.points = points(time.time())
    text = page(people.viewer)
    assert text.count("<polyline") >= 6
    assert "Release 2" in text
    assert "5 (50.00%)" in text
    assert "No instance" in text
    assert "style=" not in text.partition('id="region-applications-traffic"')[2].partition('id="region-')[0]


def test_the_page_says_that_there_was_none_or_that_nobody_knows(
    viewer: Api, people: SimpleNamespace, traffic: FakeSource
) -> None:
    assert "No request on record for the last half an hour." in page(people.viewer)
    traffic.unavailable = "away"
    assert "The figures cannot be read now." in page(people.viewer)


def test_a_line_breaks_off_where_there_is_no_value() -> None:
    now = 2_000_000_000.0
    both = [Point(int(now) - 10 * number, 10, {1: GOOD}) for number in (1, 2, 5)]
    requests, errors, latency = plots(both, now)
    assert [len(line.points) for line in latency.lines] == [2, 2]
    assert [len(line.points) for line in requests.lines] == [1]
    assert len(requests.lines[0].points[0].split()) == STEPS
    assert (requests.now, requests.most, errors.now) == ("9", "10", "0")


def test_metrics_have_counters_and_a_histogram_by_release(db: None, traffic: FakeSource) -> None:
    within = {1: 1, 2: 0, 4: 5, 0: 2}
    traffic.counters = [Totals(("shop", "web"), 7, {Outcome.SERVED: 6, Outcome.ERROR: 2}, 10, 20, 9000, within)]
    found = scrape(Client())
    assert found["berth_app_requests_total"] == {("web", "shop", "2xx", "7"): 6, ("web", "shop", "5xx", "7"): 2}
    assert found["berth_app_sent_bytes_total"] == {("web", "shop", "7"): 20}
    assert found["berth_app_answer_seconds_sum"] == {("web", "shop", "7"): 9}
    buckets = {labels[2]: count for labels, count in found["berth_app_answer_seconds_bucket"].items()}
    assert buckets == {"0.001": 1, "0.002": 1, "0.004": 6, "+Inf": 8}
    assert found["berth_traffic_known"] == {(): 1}
    traffic.unavailable = "away"
    found = scrape(Client())
    assert found["berth_traffic_known"] == {(): 0}
    assert "berth_app_requests_total" not in found
