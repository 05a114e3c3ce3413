"""Images that Berth builds itself, from files on this machine alone: no public registry is needed.

Everything starts `FROM scratch` and a static busybox (Debian: package busybox-static).
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests

BUSYBOX = Path("/bin/busybox")
BUILD_TIMEOUT = 120  # seconds without a word from the engine


class BuildFailed(Exception):
    """An image could not be built or pushed; the message is the engine's."""


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int = 0o644


def read_directory(path: Path) -> dict[str, File]:
    """All files below `path` by their relative path, executable or not as they are there."""
    return {str(file.relative_to(path)): read_file(file) for file in sorted(path.rglob("*")) if file.is_file()}


def read_file(path: Path) -> File:
    return File(path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)


def build(url: str, tag: str, context: Mapping[str, File]) -> str:
    """Build the image that `context`, which holds a Dockerfile, describes; name it `tag` and return its id.

    The same context gives the same image: the engine's cache answers from the second time on.
    """
    with _client(url) as client:
        stream = client.build(fileobj=_tar(context), custom_context=True, tag=tag, rm=True, forcerm=True, decode=True)
        # to its end: the engine says the id first and gives the name afterwards
        ids = [str(message["aux"]["ID"]) for message in _without_errors(stream) if "aux" in message]
    if not ids:
        raise BuildFailed(f"the engine built {tag} and did not say its id")
    return ids[-1]


def push(url: str, tag: str) -> None:
    """Push `tag`, whose name says the registry, from the engine at `url`."""
    with _client(url) as client:
        for _ in _without_errors(client.push(tag, stream=True, decode=True)):
            pass


@contextlib.contextmanager
def _client(url: str) -> Iterator[docker.APIClient]:
    try:
        with docker.APIClient(base_url=url, version="auto", timeout=BUILD_TIMEOUT) as client:
            yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise BuildFailed(str(error)) from error


def _without_errors(stream: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in stream:
        if "error" in message:
            raise BuildFailed(message["error"])
        yield message


def _tar(context: Mapping[str, File]) -> io.BytesIO:
    """A tar with nothing in it that changes by itself, such as times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, file in sorted(context.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(file.content), file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    out.seek(0)
    return out
