"""From docker-py's errors to those of `scheduler.engine.base`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import docker
import requests

from scheduler.engine.base import (
    AddressTaken,
    EngineError,
    EngineFault,
    EngineUnreachable,
    ImageMissing,
    NetworkMissing,
    NotFound,
    Refused,
)

LONGEST = 300  # characters of the engine's words that are kept

# Docker's statuses alone do not tell these apart; its words do. First match wins.
_BY_WORDS: tuple[tuple[re.Pattern[str], type[EngineError]], ...] = (
    (re.compile(r"no such image", re.I), ImageMissing),
    (re.compile(r"network \S+ not found|no such network", re.I), NetworkMissing),
    (re.compile(r"address already in use|pool overlaps", re.I), AddressTaken),
    # a 500 of a network that has another subnet: no later try will do better
    (re.compile(r"does not belong to any of this network's subnets", re.I), Refused),
    (re.compile(r"no such container", re.I), NotFound),
)
_SECRETS = (
    (re.compile(r"(?<=://)[^/\s@\"']+@"), ""),  # user:password@
    (re.compile(r"(?<=[^\s\"'])\?[^\s\"']+"), ""),  # the query of an URL: registries sign there
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.I), r"\1 …"),
    (re.compile(r"\b(password|token|secret)(\"?\s*[=:]\s*)\S+", re.I), r"\1\2…"),
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise what docker-py and requests raise as `EngineError`s."""
    try:
        yield
    except docker.errors.APIError as error:
        raise from_api(error) from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineUnreachable(f"the engine does not answer: {words(_cause(error))}") from error


def _cause(error: BaseException) -> str:
    """What the system said, such as "Connection refused", where libraries have wrapped it; else their own words."""
    said, seen = str(error), set[int]()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            said = inner.strerror
        wrapped = (argument for argument in inner.args if isinstance(argument, BaseException))
        inner = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__ or next(wrapped, None)
        if not isinstance(inner, BaseException):
            break
    return said


def from_api(error: docker.errors.APIError) -> EngineError:
    """What the engine answered, as one of our errors."""
    said = words(explanation(error))
    for pattern, kind in _BY_WORDS:
        if pattern.search(said):
            return kind(said)
    status = error.status_code or 500
    if status == 404:
        return NotFound(said)
    return Refused(said) if status < 500 else EngineFault(said)


def explanation(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


def words(said: str) -> str:
    """An outside system's words on one line, shortened, with what looks like a secret taken out.

    Registries say code and message, which are often the same: then it is said once.
    """
    said = " ".join(said.split())
    half, colon, other = said.partition(": ")
    if colon and half == other:
        said = half
    for pattern, instead in _SECRETS:
        said = pattern.sub(instead, said)
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
