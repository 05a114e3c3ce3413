from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from scheduler import discovery
from scheduler.discovery import AppConfig, Report
from scheduler.etcd_fake import FakeEtcd
from scheduler.model import Edge, Endpoint, HealthCheck, Probe, Protocol, Route
from scheduler.routing import Split

NOW = datetime(2030, 1, 1, tzinfo=UTC)
WEB = AppConfig(Protocol.HTTP, 8080, HealthCheck(), (Route("web.example.test"),), 3)
A, B = Endpoint("0-1", "10.0.0.1", 8080), Endpoint("1-2", "10.0.0.2", 8080)

names = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
texts = st.text()
seconds = st.floats(0.001, 1e6)
checks = st.builds(
    HealthCheck,
    st.none() | texts,
    st.lists(texts).map(tuple),
    seconds,
    seconds,
    st.integers(1, 100),
    st.integers(1, 100),
    seconds,
)
routes = st.lists(st.builds(Route, texts, texts)).map(tuple)
splits = st.builds(Split, st.integers(0, 100), st.none() | st.tuples(texts, texts), st.none() | st.tuples(texts, texts))
configs = st.builds(
    AppConfig,
    st.sampled_from(Protocol),
    st.integers(1, 65535),
    checks,
    routes,
    st.integers(1, 500),
    canary=st.none() | splits,
)
endpoints = st.builds(
    Endpoint, names, texts, st.integers(1, 65535), st.booleans(), texts, st.integers(0, 1 << 31), st.booleans()
)
probes = st.builds(
    Probe, st.just("e1"), st.booleans(), st.datetimes(timezones=st.just(UTC)), texts, st.integers(0, 10**6)
)
reports = st.builds(Report, st.integers(0, 2**63 - 1), st.dictionaries(names, probes), texts)


@given(configs)
def test_a_config_is_read_as_it_was_written(config: AppConfig) -> None:
    assert discovery.load_config(discovery.dump_config(config)) == config


@given(endpoints)
def test_an_endpoint_is_read_as_it_was_written(endpoint: Endpoint) -> None:
    assert discovery.load_endpoint(endpoint.instance, discovery.dump_endpoint(endpoint)) == endpoint


@given(reports)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    assert discovery.load_report("e1", discovery.dump_report(report)) == report


@given(st.integers(0, 2**63 - 1), st.just("") | st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
def test_an_applied_revision_is_read_as_it_was_written(revision: int, epoch: str) -> None:
    assert discovery.load_applied(discovery.dump_applied(revision, epoch), epoch) == revision
    assert discovery.load_applied(discovery.dump_applied(revision, epoch), "another") == 0


@given(names, names, names)
def test_a_reports_key_says_which_app_it_is_about(edge: str, group: str, app: str) -> None:
    assert discovery.reported_app(discovery.report_key(edge, group, app)) == (group, app)
    for other in (discovery.presence_key(edge), discovery.applied_key(edge), discovery.config_key(group, app)):
        assert discovery.reported_app(other) is None


def test_what_is_published_is_a_documented_contract() -> None:
    etcd = FakeEtcd()
    discovery.publish(etcd, "team", "web", WEB, [A, Endpoint("1-2", "10.0.0.2", 8080, draining=True)])
    assert {key: json.loads(value) for key, value in etcd.read("apps/team/").values.items()} == {
        "apps/team/web/config": {
            "protocol": "http",
            "port": 8080,
            "slots": 3,
            "routes": [{"host": "web.example.test", "path": "/"}],
            "health": {
                "path": "/",
                "command": [],
                "interval": 2.0,
                "timeout": 1.0,
                "failures": 3,
                "successes": 1,
                "grace": 30.0,
            },
        },
        "apps/team/web/endpoints/0-1": {"address": "10.0.0.1", "port": 8080, "draining": False},
        "apps/team/web/endpoints/1-2": {"address": "10.0.0.2", "port": 8080, "draining": True},
    }


def test_publishing_leaves_exactly_what_was_asked_for() -> None:
    etcd = FakeEtcd()
    discovery.publish(etcd, "team", "other", WEB, [A])
    discovery.publish(etcd, "team", "web", WEB, [A])
    discovery.publish(etcd, "team", "web", WEB, [B])
    assert etcd.keys("apps/team/web/") == {"apps/team/web/config", "apps/team/web/endpoints/1-2"}
    assert discovery.published_apps(etcd) == {("team", "other"), ("team", "web")}
    discovery.publish(etcd, "team", "web", None, [])
    assert discovery.published_apps(etcd) == {("team", "other")}


def test_publishing_the_same_again_writes_nothing_and_names_the_revision_since_which_it_is_true() -> None:
    etcd = FakeEtcd()
    discovery.publish(etcd, "team", "web", WEB, [A, B])
    withdrawn = discovery.publish(etcd, "team", "web", WEB, [A])
    etcd.put("edges/live/e1/applied", "17")
    now = etcd.read("").revision
    assert discovery.publish(etcd, "team", "web", WEB, [A]) == withdrawn < now
    assert etcd.read("").revision == now


def test_every_revision_that_publishing_names_is_one_that_edges_get_to_see() -> None:
    etcd = FakeEtcd()
    with etcd.watch("apps/", 1) as watch:
        for config, shown in ((WEB, [A]), (WEB, [A]), (None, []), (None, []), (WEB, []), (None, [])):
            named = discovery.publish(etcd, "team", "web", config, shown)
            changes = watch.next(0)
            last = changes.revision if changes else last  # noqa: F821 - the first publishing changes something
            assert named == last


def test_publishing_nothing_to_a_wiped_etcd_names_a_revision_of_its_own() -> None:
    etcd = FakeEtcd()
    revision = discovery.publish(etcd, "team", "web", None, [])
    assert etcd.read("apps/").written == revision
    assert discovery.publish(etcd, "team", "web", None, []) == revision


def test_groups_may_be_called_like_berths_own_keys() -> None:
    etcd = FakeEtcd()
    discovery.publish(etcd, "clock", "web", WEB, [A])
    discovery.publish(etcd, "epoch", "web", WEB, [A])
    assert not discovery.is_complete(etcd)
    discovery.publish(etcd, "team", "web", None, [])
    assert discovery.published_apps(etcd) == {("clock", "web"), ("epoch", "web")}


def test_an_app_takes_what_edges_said_of_it_along() -> None:
    etcd = FakeEtcd()
    discovery.publish(etcd, "team", "web", WEB, [A])
    etcd.put(discovery.report_key("e1", "team", "web"), discovery.dump_report(Report(1)))
    etcd.put(discovery.report_key("e1", "team", "web2"), discovery.dump_report(Report(1)))
    discovery.publish(etcd, "team", "web", None, [])
    assert etcd.keys(discovery.REPORTS) == {discovery.report_key("e1", "team", "web2")}


def test_etcd_is_complete_until_it_is_wiped_and_then_in_another_epoch() -> None:
    etcd = FakeEtcd()
    assert not discovery.is_complete(etcd)
    discovery.mark_complete(etcd)
    first = etcd.read(discovery.EPOCH)
    discovery.mark_complete(etcd)
    assert etcd.read(discovery.EPOCH) == first
    assert discovery.is_complete(etcd)
    etcd.wipe()
    assert not discovery.is_complete(etcd)
    discovery.mark_complete(etcd)
    assert etcd.read(discovery.EPOCH).values != first.values


def test_an_edge_is_live_while_its_presence_is_there() -> None:
    etcd = FakeEtcd()
    discovery.mark_complete(etcd)
    epoch = etcd.read(discovery.EPOCH).values[discovery.EPOCH]
    for edge in ("e1", "e2", "e3"):
        etcd.put(discovery.applied_key(edge), discovery.dump_applied(17, epoch))
    for edge in ("e2", "e1"):
        etcd.put(discovery.presence_key(edge), "{}")
    assert discovery.read_edges(etcd) == [Edge("e1", 17), Edge("e2", 17)]


def test_what_an_edge_applied_of_an_etcd_that_was_wiped_counts_for_nothing() -> None:
    etcd = FakeEtcd()
    etcd.put(discovery.presence_key("e1"), "{}")
    etcd.put(discovery.applied_key("e1"), discovery.dump_applied(9000, "0123456789abcdef"))
    assert discovery.read_edges(etcd) == [Edge("e1", 0)]
    discovery.mark_complete(etcd)
    assert discovery.read_edges(etcd) == [Edge("e1", 0)]


def test_reports_are_read_of_live_edges_alone() -> None:
    etcd = FakeEtcd()
    report = Report(5, {"0-1": Probe("e1", True, NOW, "L7OK/200")})
    for edge in ("e1", "e2"):
        etcd.put(discovery.report_key(edge, "team", "web"), discovery.dump_report(report))
    etcd.put(discovery.report_key("e1", "team", "web-2"), discovery.dump_report(Report(6, refused="no")))
    assert discovery.read_reports(etcd, "team", "web", [Edge("e1", 5), Edge("e3", 5)]) == {"e1": report}
    assert discovery.read_all_reports(etcd, [Edge("e1", 5)]) == {
        ("team", "web"): {"e1": report},
        ("team", "web-2"): {"e1": Report(6, refused="no")},
    }


def test_what_edges_say_of_certificates_is_read_apart_from_what_they_say_of_apps() -> None:
    etcd = FakeEtcd()
    assert discovery.read_refusals(etcd) == {}
    for edge in ("e1", "e2"):
        key = discovery.report_key(edge, discovery.CERTIFICATES, "team.tls")
        etcd.put(key, discovery.dump_report(Report(5, refused=f"{edge} says no")))
    etcd.put(discovery.report_key("e1", "team", "web"), discovery.dump_report(Report(6, refused="no")))
    assert discovery.read_refusals(etcd) == {"team.tls": {"e1": "e1 says no", "e2": "e2 says no"}}
    assert discovery.read_all_reports(etcd, [Edge("e1", 5)]).keys() == {("team", "web")}
