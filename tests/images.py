"""Images for tests, built into the local engine from busybox and a few files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scheduler.engine.images import BUSYBOX, File, build, read_directory, read_file

HELLO = Path(__file__).parent.parent / "examples" / "hello"
ENGINE = "unix:///var/run/docker.sock"


def build_image(
    tag: str,
    files: Mapping[str, str | bytes] | None = None,
    cmd: Sequence[str] = ("sleep", "1000000"),
    *,
    expose: Sequence[str] = (),
    instructions: Sequence[str] = (),
    url: str = ENGINE,
) -> str:
    """An image with busybox, `files` (absolute path -> content, executable) and a command; returns its id.

    `expose` is what EXPOSE says ("8080", "53/udp"), `instructions` are further lines of the Dockerfile.
    """
    lines = [
        "FROM scratch",
        "COPY busybox /bin/busybox",
        'RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin && /bin/busybox mkdir -m 1777 /tmp"]',
        *(["COPY root /"] if files else []),
        *(f"EXPOSE {port}" for port in expose),
        *instructions,
        f"CMD {json.dumps(list(cmd))}",
    ]
    context = {"Dockerfile": File("\n".join(lines).encode()), "busybox": File(BUSYBOX.read_bytes(), 0o755)}
    for path, content in (files or {}).items():
        context[f"root/{path.lstrip('/')}"] = File(content.encode() if isinstance(content, str) else content, 0o755)
    return build(url, tag, context)


def hello_image(tag: str = "berth-test/hello:1", url: str = ENGINE) -> str:
    """The demo app: serves on 8080, see examples/hello. Returns the image's id."""
    return build(url, tag, {**read_directory(HELLO), "busybox": read_file(BUSYBOX)})
