from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.edge.probes import may_send
from scheduler.edge.verdicts import Row, hinted, judge, rows
from scheduler.model import Probe
from tests.unit.scheduler.edge.build import held

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=1)
UP = Row("team.shop", "s1", "10.0.0.1:8080", True, False, False, "L7OK", "L7OK/200", 3)
DOWN = replace(UP, up=False, check="L7STS", detail="L7STS/500")
STAT = """\
# pxname,svname,scur,status,check_status,check_code,last_chk,type,addr,
team.shop,BACKEND,9,UP,,,,1,,
team.shop,s1,3,UP,L7OK,200,OK,2,10.0.0.1:8080,
team.shop,s2,0,DOWN,L7STS,500,"Internal, Error\x01",2,10.0.0.2:8080,
team.shop,s3,1,DRAIN,* L7OK,200,OK,2,10.0.0.3:8080,
team.shop,s4,0,MAINT,INI,,,2,127.0.0.1:1,
"""


def test_statistics_are_read_server_by_server() -> None:
    assert rows(STAT) == [
        UP,
        Row("team.shop", "s2", "10.0.0.2:8080", False, False, False, "L7STS", "L7STS/500 Internal, Error", 0),
        Row("team.shop", "s3", "10.0.0.3:8080", True, False, True, "L7OK", "L7OK/200", 1),
        Row("team.shop", "s4", "127.0.0.1:1", False, True, False, "INI", "INI", 0),
    ]
    assert rows("No such proxy.\n") == []


def _judge(row: Row | None, before: Probe | None = None, draining: bool = False, *old: Row) -> Probe:
    slots = (held("0-1", draining=draining), None)
    return judge("edge", slots, [row] if row else [], old, {"0-1": before} if before else {}, NOW)["0-1"]


def test_a_verdict_is_as_old_as_its_last_change() -> None:
    was_up, was_down = Probe("edge", True, BEFORE, "L7OK/200"), Probe("edge", False, BEFORE, "L7STS/500")
    assert _judge(UP) == Probe("edge", True, NOW, "L7OK/200")
    assert _judge(UP, was_up) == was_up
    assert _judge(DOWN, was_up) == Probe("edge", False, NOW, "L7STS/500")
    assert _judge(DOWN, was_down) == was_down
    assert _judge(UP, was_down) == Probe("edge", True, NOW, "L7OK/200")


def test_a_new_reason_to_be_down_is_told_and_no_reason_is_no_news() -> None:
    was = Probe("edge", False, BEFORE, "L7STS/500")
    [_, under_way, *_] = rows(STAT.replace('L7STS,500,"Internal, Error\x01"', "* L7STS,0,"))
    assert _judge(replace(DOWN, detail=under_way.detail), was) == was
    assert _judge(replace(DOWN, check="L4CON", detail="L4CON refused"), was).detail == "L4CON refused"
    assert _judge(replace(DOWN, check="INI", detail="INI"), was) == was
    assert _judge(replace(DOWN, check="L7OK", detail="L7OK/200"), was) == was


@pytest.mark.parametrize("up", [True, False])
def test_a_check_that_ended_otherwise_does_not_explain_a_verdict(up: bool) -> None:
    row = replace(DOWN, up=True) if up else replace(UP, up=False)
    assert _judge(row) == Probe("edge", up, NOW, "")


def test_what_haproxy_does_not_have_there_keeps_its_verdict() -> None:
    was = Probe("edge", True, BEFORE, "L7OK/200")
    for row in (None, replace(UP, place="10.0.0.9:8080"), replace(UP, spare=True)):
        assert _judge(row, was) == was
        assert _judge(row) == Probe("edge", False, NOW, "INI")


def test_sessions_count_while_draining_in_old_workers_too() -> None:
    assert _judge(UP).sessions == 0
    assert _judge(UP, None, True).sessions == 3
    elsewhere = replace(UP, place="10.0.0.9:8080")
    assert _judge(UP, None, True, replace(UP, sessions=2), elsewhere).sessions == 5


def test_an_old_worker_with_idle_connections_may_send_one_more_request() -> None:
    drained = replace(UP, draining=True)
    assert [row.sessions for row in may_send([UP, DOWN, drained], True)] == [4, 3, 3]
    assert [row.sessions for row in may_send([UP, DOWN, drained], False)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("line", "backend"),
    [
        ("Server team.shop/s1 is DOWN, reason: Layer4 timeout.", "team.shop"),
        ("Health check for server team.shop/s12 failed, reason: Layer7 wrong status", "team.shop"),
        ("Proxy http started.", None),
        ("backend 'team.shop' has no server available!", None),
    ],
)
def test_a_log_line_hints_at_the_app_that_it_is_about(line: str, backend: str | None) -> None:
    assert hinted(line) == backend
