from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.engine.base import Container, EngineEvent, Labels, LogLine
from scheduler.engine.reading import (
    LONGEST_LINE,
    event_container,
    lowest_port,
    read_container,
    read_event,
    read_images,
    read_log,
    read_messages,
    read_time,
)
from scheduler.model import ExecHealth, Process

LABELS = Labels("f00d", "team", "web", app_id=7, slot=2, generation=9, release=4, template="0123abcd")
AT = datetime(2026, 11, 23, 9, 27, 2, 302964, UTC)


def shown(**changes: Any) -> dict[str, Any]:
    return {
        "Id": "c0ffee",
        "Name": "/berth-f00d.team.web.2.9",
        "Image": "sha256:abc",
        "RestartCount": 1,
        "Config": {"Labels": LABELS.as_dict()},
        "HostConfig": {"NanoCpus": 250_000_000, "Memory": 64 << 20},
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-11-23T09:27:02.302964701Z"},
        "NetworkSettings": {
            "Networks": {"berth-f00d.team": {"IPAMConfig": {"IPv4Address": "10.96.0.9"}, "IPAddress": "10.96.0.9"}}
        },
        **changes,
    }


def test_a_running_container_is_read_whole() -> None:
    assert read_container(shown()) == Container(
        id="c0ffee",
        name="berth-f00d.team.web.2.9",
        labels=LABELS,
        process=Process.RUNNING,
        exit_code=None,
        started_at=AT,
        restarts=1,
        exec_health=ExecHealth.NONE,
        image="sha256:abc",
        address="10.96.0.9",
        networks=("berth-f00d.team",),
        cpu=250,
        memory=64 << 20,
    )


@pytest.mark.parametrize(
    ("status", "process", "code"),
    [
        ("created", Process.CREATED, None),
        ("running", Process.RUNNING, None),
        ("restarting", Process.RESTARTING, 3),
        ("paused", Process.PAUSED, None),
        ("exited", Process.EXITED, 3),
        ("dead", Process.EXITED, 3),
        ("removing", Process.EXITED, 3),
        ("dreaming", Process.UNKNOWN, None),
    ],
)
def test_the_process_and_its_exit_code(status: str, process: Process, code: int | None) -> None:
    state = {"Status": status, "ExitCode": 3, "StartedAt": "0001-01-01T00:00:00Z"}
    container = read_container(shown(State=state))
    assert container is not None
    assert (container.process, container.exit_code, container.started_at) == (process, code, None)


def test_a_process_that_the_kernel_killed_for_want_of_memory_is_told_apart() -> None:
    for killed in (True, False):
        state = {"Status": "exited", "ExitCode": 137, "OOMKilled": killed, "StartedAt": "0001-01-01T00:00:00Z"}
        container = read_container(shown(State=state))
        assert container is not None
        assert container.oom_killed is killed


def test_the_health_command_has_a_verdict() -> None:
    container = read_container(shown(State={**shown()["State"], "Health": {"Status": "unhealthy"}}))
    assert container is not None
    assert container.exec_health is ExecHealth.UNHEALTHY


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        ({"berth-f00d.team": {"IPAMConfig": {"IPv4Address": "10.96.0.9"}, "IPAddress": ""}}, "10.96.0.9"),
        ({"berth-f00d.team": {"IPAMConfig": None, "IPAddress": "10.96.0.77"}}, "10.96.0.77"),
        ({"bridge": {"IPAMConfig": None, "IPAddress": "172.17.0.2"}}, ""),
        ({}, ""),
    ],
)
def test_the_address_is_the_one_in_its_groups_network(networks: dict[str, Any], address: str) -> None:
    container = read_container(shown(NetworkSettings={"Networks": networks}))
    assert container is not None
    assert (container.address, container.networks) == (address, tuple(networks))


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}, Labels("f00d", "team").as_dict()])
def test_what_carries_no_labels_of_a_container_is_not_berths(labels: dict[str, str] | None) -> None:
    assert read_container(shown(Config={"Labels": labels})) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-23T09:27:02.302964701Z", AT),
        ("2026-11-23T17:27:02.302964+08:00", AT),
        ("2026-11-23T09:27:02.3Z", AT.replace(microsecond=300000)),
        ("2026-11-23T09:27:02Z", AT.replace(microsecond=0)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times_keep_their_microseconds(written: str, meant: datetime | None) -> None:
    assert read_time(written) == meant


@pytest.mark.parametrize(
    ("exposed", "port"),
    [
        (None, None),
        ({}, None),
        ({"53/udp": {}}, None),
        ({"8081/tcp": {}, "53/udp": {}, "8080/tcp": {}}, 8080),
        ({"80": {}}, 80),
    ],
)
def test_the_port_is_the_lowest_of_tcp(exposed: dict[str, Any] | None, port: int | None) -> None:
    assert lowest_port({"Config": {"ExposedPorts": exposed}}) == port


def test_an_event_of_a_network_is_about_the_container_named_aside() -> None:
    message = {
        "Type": "network",
        "Action": "disconnect",
        "Actor": {"ID": "net", "Attributes": {"container": "c0ffee", "name": "berth-f00d.team"}},
        "timeNano": 1795426022302964000,
    }
    assert event_container(message) == "c0ffee"
    assert read_event(message, LABELS) == EngineEvent(AT, "disconnect", "c0ffee", LABELS)


def test_a_verdict_comes_without_its_words() -> None:
    message = {
        "Type": "container",
        "Action": "health_status: healthy",
        "Actor": {"ID": "c0ffee", "Attributes": {}},
        "timeNano": 1795426022302964000,
    }
    assert read_event(message, LABELS).action == "health_status"


def cut(data: bytes, at: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(point % (len(data) + 1) for point in at)})
    return [data[a:b] for a, b in pairwise(points)]


cuts = st.lists(st.integers(0, 10**6), max_size=20)


@given(st.lists(st.dictionaries(st.text(), st.text())), cuts)
def test_messages_are_whole_however_the_stream_is_cut(messages: list[dict[str, str]], at: list[int]) -> None:
    data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    assert list(read_messages(cut(data, at))) == messages


def frame(stream: int, text: bytes, at: str = "2026-11-23T09:27:02.302964701Z") -> bytes:
    content = at.encode() + b" " + text
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.text().filter(lambda text: "\n" not in text))), cuts)
def test_lines_are_whole_however_the_stream_is_cut(lines: list[tuple[int, str]], at: list[int]) -> None:
    data = b"".join(frame(stream, text.encode() + b"\n") for stream, text in lines)
    assert list(read_log(cut(data, at))) == [
        LogLine(AT, {1: "stdout", 2: "stderr"}[stream], text) for stream, text in lines
    ]


def test_a_long_line_is_put_together_while_the_other_stream_goes_on() -> None:
    data = frame(1, b"aa") + frame(2, b"x\n") + frame(1, b"bb") + frame(1, b"cc\n")
    assert [(line.stream, line.text) for line in read_log([data])] == [("stderr", "x"), ("stdout", "aabbcc")]


def test_a_line_without_an_end_is_cut() -> None:
    piece = b"x" * (16 << 10)
    lengths = [len(line.text) for line in read_log(frame(1, piece) for _ in range(6))]
    assert lengths == [LONGEST_LINE, 2 * len(piece)]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert [line.text for line in read_log([frame(1, b"\xff ok\n")])] == ["\N{REPLACEMENT CHARACTER} ok"]


def test_images_are_known_by_what_releases_name_them_by() -> None:
    listed = [
        {"Id": "sha256:1", "RepoTags": ["a:1"], "RepoDigests": ["a@sha256:a", "r.example/a@sha256:b"], "Size": 3},
        {"Id": "sha256:2", "RepoTags": ["b:1"], "RepoDigests": None, "Size": 5},
        {"Id": "sha256:3", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Size": 7},
    ]
    assert read_images(listed) == {"a@sha256:a": 3, "r.example/a@sha256:b": 3, "sha256:2": 5, "sha256:3": 7}
