from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler import discovery
from scheduler.discovery import EPOCH, Report
from scheduler.edge import answers
from scheduler.edge.answers import Answers, earlier
from scheduler.etcd_fake import FakeEtcd
from scheduler.model import Edge, Probe
from tests.services import wait_until

SHOP = ("team", "shop")
KEY = discovery.report_key("edge", *SHOP)
REPORT = Report(5, {"0-1": Probe("edge", True, datetime(2030, 1, 1, tzinfo=UTC), "L7OK/200")})


@pytest.fixture
def etcd() -> FakeEtcd:
    etcd = FakeEtcd()
    etcd.put(EPOCH, "e1")
    return etcd


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "RENEW", 0.02)
    monkeypatch.setattr(answers, "RETRY", 0.01)


@pytest.fixture
def said(etcd: FakeEtcd) -> Iterator[Answers]:
    said = Answers(etcd, "edge")
    yield said
    said.close()


def _present(etcd: FakeEtcd, *edges: Edge) -> None:
    wait_until(lambda: not etcd.down and discovery.read_edges(etcd) == list(edges), f"the live edges are {edges}")


def _reported(etcd: FakeEtcd, report: Report | None) -> None:
    wait_until(lambda: earlier(etcd, "edge").get(SHOP) == report, f"the report is {report}")


def test_nothing_is_said_before_something_is_applied(etcd: FakeEtcd, said: Answers) -> None:
    revision = etcd.read("").revision
    said.report(SHOP, REPORT)
    said.compare()
    said.close()
    assert etcd.read("").revision == revision


def test_an_edge_is_present_with_what_it_has_applied(etcd: FakeEtcd, said: Answers) -> None:
    said.applied(7, "e1")
    _present(etcd, Edge("edge", 7))
    said.applied(9, "e1")
    _present(etcd, Edge("edge", 9))
    said.applied(3, "e2")
    _present(etcd, Edge("edge", 0))


def test_reports_are_there_when_their_revision_is_applied(etcd: FakeEtcd, said: Answers) -> None:
    with etcd.watch("edges/", 1) as watch:
        said.report(SHOP, REPORT)
        said.applied(7, "e1")
        first = watch.next(5)
        then = watch.next(5)
    assert first is not None
    assert then is not None
    assert list(first.values) == [KEY]
    assert discovery.applied_key("edge") in then.values


def test_what_is_applied_while_reports_are_on_their_way_waits_for_its_own(
    etcd: FakeEtcd, said: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an instance that drains would seem to have no sessions left at the revision at which it began to."""
    draining = Report(8, {"0-1": Probe("edge", True, datetime(2030, 1, 1, tzinfo=UTC), "L7OK/200", sessions=1)})
    write, waiting = etcd.write, [draining]

    def written(puts: Mapping[str, str], *more: Any, **options: Any) -> int:
        revision = write(puts, *more, **options)
        if KEY in puts and waiting:
            said.report(SHOP, waiting.pop())
            said.applied(8, "e1")
        return revision

    monkeypatch.setattr(etcd, "write", written)
    said.applied(6, "e1")
    _present(etcd, Edge("edge", 6))
    with etcd.watch("edges/", etcd.read("").revision + 1) as watch:
        said.report(SHOP, REPORT)
        said.applied(7, "e1")
        seen = [watch.next(5) for _ in range(4)]
    told = [text for changes in seen if changes for text in changes.values.values()]
    assert told == [discovery.dump_report(REPORT), "7 e1", discovery.dump_report(draining), "8 e1"]


def test_a_report_goes_with_its_app(etcd: FakeEtcd, said: Answers) -> None:
    said.applied(7, "e1")
    said.report(SHOP, REPORT)
    _reported(etcd, REPORT)
    said.report(SHOP, None)
    _reported(etcd, None)


def test_what_was_said_of_apps_that_are_gone_is_taken_back(etcd: FakeEtcd, said: Answers) -> None:
    """By an agent that died before it could."""
    etcd.put(KEY, discovery.dump_report(REPORT))
    others = discovery.report_key("other", *SHOP)
    etcd.put(others, discovery.dump_report(REPORT))
    said.applied(7, "e1")
    _reported(etcd, None)
    assert etcd.keys(discovery.REPORTS) == {others}


def test_an_edge_whose_lease_ended_is_present_again(etcd: FakeEtcd, said: Answers) -> None:
    said.applied(7, "e1")
    _present(etcd, Edge("edge", 7))
    for lease in list(etcd._leases):
        etcd.expire(lease)
    _present(etcd, Edge("edge", 7))


def test_what_was_said_while_etcd_was_away_is_said_again(etcd: FakeEtcd, said: Answers) -> None:
    said.applied(7, "e1")
    _present(etcd, Edge("edge", 7))
    etcd.down = True
    said.report(SHOP, Report(6))
    said.report(SHOP, REPORT)
    said.applied(8, "e1")
    etcd.down = False
    _present(etcd, Edge("edge", 8))
    _reported(etcd, REPORT)


def test_a_wiped_etcd_is_told_everything_again(etcd: FakeEtcd, said: Answers) -> None:
    said.report(SHOP, REPORT)
    said.applied(7, "e1")
    _reported(etcd, REPORT)
    etcd.wipe()
    said.applied(1, "")
    said.compare()
    _present(etcd, Edge("edge", 1))
    _reported(etcd, REPORT)


def test_the_presence_outlives_the_agent_for_as_long_as_its_lease(etcd: FakeEtcd, said: Answers) -> None:
    """HAProxy serves on, so whoever waits for it to follow does well to wait for the next agent."""
    said.applied(7, "e1")
    _present(etcd, Edge("edge", 7))
    said.close()
    assert discovery.read_edges(etcd) == [Edge("edge", 7)]
    next_one = Answers(etcd, "edge")
    next_one.applied(9, "e1")
    _present(etcd, Edge("edge", 9))
    etcd.expire(1)  # that of the first
    assert discovery.read_edges(etcd) == [Edge("edge", 9)]
    next_one.close()


def test_what_was_said_before_is_read_back_as_far_as_it_makes_sense(etcd: FakeEtcd) -> None:
    etcd.put(KEY, discovery.dump_report(REPORT))
    etcd.put(discovery.report_key("edge", "team", "blog"), "no JSON")
    etcd.put(discovery.report_key("other", "team", "mail"), discovery.dump_report(REPORT))
    assert earlier(etcd, "edge") == {SHOP: REPORT}
