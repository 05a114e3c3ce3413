"""From what Docker says to Berth's values. Pure: dicts and bytes in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from scheduler.engine.base import Container, EngineEvent, EngineInfo, Labels, LogLine, network_name
from scheduler.model import ExecHealth, Process, Resources

ACTIONS = (
    "create",
    "start",
    "restart",
    "die",
    "kill",
    "oom",
    "stop",
    "pause",
    "unpause",
    "destroy",
    "update",
    "rename",
    "health_status",
    "connect",
    "disconnect",
)
LONGEST_LINE = 64 << 10  # bytes; a container may print without ever ending a line

_PROCESS = {
    "created": Process.CREATED,
    "running": Process.RUNNING,
    "restarting": Process.RESTARTING,
    "paused": Process.PAUSED,
    "exited": Process.EXITED,
    "dead": Process.EXITED,  # a removal got stuck half-way
    "removing": Process.EXITED,
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_FRAME_HEADER = 8  # bytes: the stream (1: stdout, 2: stderr), three zeros, the length
_STREAMS = {1: "stdout", 2: "stderr"}


def read_time(text: str) -> datetime | None:
    """A point in time as Docker writes it; it has nanoseconds, of which microseconds are kept. None for "never"."""
    match = _TIME.fullmatch(text)
    if match is None or text.startswith("0001-"):
        return None
    fraction = (match[2] or "").ljust(9, "0")[:6]
    return datetime.fromisoformat(f"{match[1]}.{fraction}{match[3]}").astimezone(UTC)


def read_container(shown: Mapping[str, Any]) -> Container | None:
    """`GET /containers/{id}/json`; None for a container that is not Berth's."""
    labels = Labels.from_dict(shown["Config"]["Labels"] or {})
    if labels is None or not labels.app:
        return None
    state, host = shown["State"], shown["HostConfig"]
    process = _PROCESS.get(state["Status"], Process.UNKNOWN)
    networks: Mapping[str, Any] = shown["NetworkSettings"]["Networks"] or {}
    return Container(
        id=shown["Id"],
        name=shown["Name"].removeprefix("/"),
        labels=labels,
        process=process,
        exit_code=state["ExitCode"] if process in (Process.EXITED, Process.RESTARTING) else None,
        started_at=read_time(state["StartedAt"]),
        restarts=shown["RestartCount"],
        exec_health=ExecHealth((state.get("Health") or {}).get("Status") or "none"),
        image=shown["Image"],
        address=_address(networks.get(network_name(labels.installation, labels.group)) or {}),
        networks=tuple(sorted(networks)),
        cpu=host["NanoCpus"] // 1_000_000,
        memory=host["Memory"],
        oom_killed=state.get("OOMKilled", False),
    )


def _address(endpoint: Mapping[str, Any]) -> str:
    """The address it has, or while it is not running the one that it will have."""
    return str(endpoint.get("IPAddress") or (endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")


def read_info(shown: Mapping[str, Any], disk: int) -> EngineInfo:
    """`GET /info`."""
    return EngineInfo(
        id=shown["ID"],
        version=shown["ServerVersion"],
        hostname=shown["Name"],
        capacity=Resources(cpu=shown["NCPU"] * 1000, memory=shown["MemTotal"], disk=disk),
        live_restore=shown["LiveRestoreEnabled"],
    )


def lowest_port(image: Mapping[str, Any]) -> int | None:
    """The lowest TCP port that an image (`GET /images/{name}/json`) exposes."""
    exposed = (image.get("Config") or {}).get("ExposedPorts") or {}
    ports = [int(port) for port, _, protocol in (key.partition("/") for key in exposed) if protocol in ("tcp", "")]
    return min(ports, default=None)


def read_images(listed: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """`GET /images/json`: bytes by `repo@sha256:…`, and by id where no registry has the image."""
    found: dict[str, int] = {}
    for image in listed:
        digests = [known for known in image["RepoDigests"] or () if not known.startswith("<none>@")]
        found.update(dict.fromkeys(digests or [image["Id"]], image["Size"]))
    return found


def read_event(shown: Mapping[str, Any], labels: Labels) -> EngineEvent:
    """One message of `GET /events`, about a container with `labels`."""
    return EngineEvent(
        at=datetime.fromtimestamp(shown["timeNano"] / 1e9, UTC),
        action=shown["Action"].partition(":")[0],  # "health_status: healthy"
        container=event_container(shown),
        labels=labels,
    )


def event_container(shown: Mapping[str, Any]) -> str:
    """The id of the container that a message is about; a network's message names it aside."""
    actor = shown["Actor"]
    return str(actor["Attributes"].get("container", "") if shown["Type"] == "network" else actor["ID"])


def read_messages(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line, out of a stream that is cut anywhere."""
    left = b""
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())


def read_log(chunks: Iterable[bytes]) -> Iterator[LogLine]:
    """Log lines out of the multiplexed stream of `GET /containers/{id}/logs?timestamps=1`.

    A frame is one line behind its time. A long line comes in frames of 16 KiB, each with its time, of which only the
    last ends in a newline; they are put together again up to `LONGEST_LINE`.
    """
    open_lines: dict[str, tuple[datetime, bytearray]] = {}
    for stream, frame in _frames(chunks):
        time, _, text = frame.partition(b" ")
        at = read_time(time.decode("ascii", "replace")) or datetime.fromtimestamp(0, UTC)
        at, line = open_lines.pop(stream, (at, bytearray()))
        line += text
        if text.endswith(b"\n") or len(line) >= LONGEST_LINE:
            yield _log_line(at, stream, line)
        else:
            open_lines[stream] = (at, line)
    for stream, (at, line) in open_lines.items():
        yield _log_line(at, stream, line)


def _log_line(at: datetime, stream: str, line: bytearray) -> LogLine:
    return LogLine(at, stream, line.removesuffix(b"\n").decode("utf-8", "replace"))


def _frames(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _FRAME_HEADER:
            end = _FRAME_HEADER + int.from_bytes(buffer[4:_FRAME_HEADER], "big")
            if len(buffer) < end:
                break
            yield _STREAMS.get(buffer[0], "stdout"), bytes(buffer[_FRAME_HEADER:end])
            del buffer[:end]
