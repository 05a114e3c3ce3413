"""The log of a container."""

from __future__ import annotations

import pytest

from scheduler.engine.base import (
    LogLine,
    NetworkSpec,
    NotFound,
)
from tests.engine_cases.subject import Subject, ended_by, launched
from tests.services import wait_until


def printed(subject: Subject, id: str, *lines: tuple[str, str]) -> None:
    for stream, text in lines:
        subject.print_line(id, text, stream)
        wait_until(lambda: [line.text for line in subject.engine.logs(id)][-1:] == [text], "logged")  # noqa: B023


def told(lines: list[LogLine]) -> list[tuple[str, str]]:
    return [(line.stream, line.text) for line in lines]


def test_the_log_tells_streams_and_order(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    printed(subject, made, ("stdout", "one"), ("stderr", "two"), ("stdout", "drei — ③"))
    lines = list(subject.engine.logs(made))
    assert told(lines) == [("stdout", "one"), ("stderr", "two"), ("stdout", "drei — ③")]
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_the_newest_lines_alone_or_those_since_a_moment(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    printed(subject, made, ("stdout", "one"), ("stdout", "two"), ("stdout", "three"))
    assert told(list(subject.engine.logs(made, tail=2))) == [("stdout", "two"), ("stdout", "three")]
    last = list(subject.engine.logs(made))[-1]
    assert told(list(subject.engine.logs(made, since=last.at))) == [("stdout", "three")]


def test_a_followed_log_goes_on_until_the_container_ends(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    printed(subject, made, ("stdout", "before"))
    lines = subject.engine.logs(made, follow=True)
    assert next(lines).text == "before"
    subject.print_line(made, "after", "stdout")
    assert next(lines).text == "after"
    subject.engine.terminate(made)
    assert list(lines) == []


def test_a_followed_log_can_be_closed_from_another_thread(subject: Subject, network: NetworkSpec) -> None:
    made = launched(subject)
    printed(subject, made, ("stdout", "before"))
    lines = subject.engine.logs(made, follow=True)
    assert next(lines).text == "before"
    assert ended_by(lines.close, lambda: list(lines)) == []


def test_what_is_not_there_has_no_log(subject: Subject) -> None:
    with pytest.raises(NotFound):
        subject.engine.logs("berth-nothing")
