from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.edge.accesslog import NOWHERE, Line, Pipe, judge, read
from scheduler.traffic.figures import Outcome

PLACE = "10.0.0.1:8080"


def test_a_line_says_where_how_long_and_how_much() -> None:
    assert read(b"<6>|team.shop|10.0.0.1:8080|200|--|1|2|30|82|73|") == Line(
        "team.shop", PLACE, Outcome.SERVED, 33, 82, 73
    )


def test_a_line_may_stand_for_several() -> None:
    found = read(b"<5>|team.shop|10.0.0.1:8080|200|--|1|2|30|82|73|")
    assert found is not None
    assert found.count == 16


def test_a_line_behind_a_stray_sign_is_read_all_the_same() -> None:
    assert read(b"c<6>|team.shop|10.0.0.1:8080|200|--|0|0|3|82|73|") is not None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Proxy http stopped (cumulated conns: FE: 1, BE: 0).",
        b"<6>|http|-:-|404|LR|-1|-1|-1|82|73|",  # no app
        b"<6>|team.shop|10.0.0.1:8080|200|--|0|0|3|82|73",  # cut off
        b"<6>|team.shop|10.0.0.1:8080|200|--|0|0|3|82|73|<6>|team.shop|10.0.0.1:8080|200|--|0|0|3|82|73|",
        b"<6>|team.shop|10.0.0.1:8080|two|--|0|0|3|82|73|",
        b"<6>|team.shop|\xff|200|--|0|0|3|82|73|",
    ],
)
def test_what_is_no_whole_line_of_an_apps_request_is_not_read(line: bytes) -> None:
    assert read(line) is None


@given(st.binary(max_size=80) | st.lists(st.sampled_from([b"|", b"a.b", b"--", b"1", b"-:-"])).map(b"".join))
def test_whatever_comes_it_is_read_or_left(line: bytes) -> None:
    assert read(line) is None or isinstance(read(line), Line)


@pytest.mark.parametrize(
    ("status", "state", "place", "outcome"),
    [
        (101, "--", PLACE, Outcome.INFORMED),
        (101, "CD", PLACE, Outcome.INFORMED),
        (101, "sD", PLACE, Outcome.INFORMED),
        (204, "--", PLACE, Outcome.SERVED),
        (302, "--", PLACE, Outcome.REDIRECTED),
        (404, "--", PLACE, Outcome.REFUSED),
        (500, "--", PLACE, Outcome.ERROR),
        (503, "--", PLACE, Outcome.ERROR),
        (429, "LR", NOWHERE, Outcome.ANSWERED),
        (503, "LR", NOWHERE, Outcome.ANSWERED),
        (403, "PR", NOWHERE, Outcome.ANSWERED),
        (200, "CD", PLACE, Outcome.ABORTED),
        (408, "cR", NOWHERE, Outcome.ABORTED),
        (503, "SC", NOWHERE, Outcome.NO_SERVER),
        (503, "SC", PLACE, Outcome.BROKEN),
        (502, "SH", PLACE, Outcome.BROKEN),
        (502, "PH", PLACE, Outcome.BROKEN),
        (200, "SD", PLACE, Outcome.BROKEN),
        (504, "sH", PLACE, Outcome.TIMEOUT),
        (503, "sQ", NOWHERE, Outcome.NO_SERVER),
        (0, "--", PLACE, Outcome.SESSION),
        (0, "CD", PLACE, Outcome.SESSION),
        (0, "sD", PLACE, Outcome.SESSION),
        (0, "SC", PLACE, Outcome.BROKEN),
        (0, "SC", NOWHERE, Outcome.NO_SERVER),
    ],
)
def test_each_end_has_its_name(status: int, state: str, place: str, outcome: Outcome) -> None:
    assert judge(status, state, place) is outcome


def test_what_no_instance_answered_has_no_latency() -> None:
    silent, answered = read(b"<6>|a.b|10.0.0.1:80|504|sH|0|0|-1|9|9|"), read(b"<6>|a.b|-:-|429|LR|-1|-1|-1|9|9|")
    assert silent is not None
    assert answered is not None
    assert (silent.milliseconds, answered.milliseconds) == (-1, -1)


def test_the_pipe_keeps_lines_for_who_opens_it_next_and_halves_for_their_rest(tmp_path: Path) -> None:
    first, writer = Pipe(tmp_path / "pipe"), Pipe(tmp_path / "pipe")
    os.write(writer.end, b"one\ntwo\none\nhal")
    assert first.lines() == {b"one": 2, b"two": 1}
    os.write(writer.end, b"f\n")
    assert first.lines() == {b"half": 1}
    assert first.lines() == {}
    first.close()
    os.write(writer.end, b"later\n")
    second = Pipe(tmp_path / "pipe")
    assert second.lines() == {b"later": 1}
    second.close()
    writer.close()
