from __future__ import annotations

import json

import docker
import pytest
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
from scheduler.engine.failures import LONGEST, translated, words


def answer(status: int, message: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps({"message": message}).encode()
    return docker.errors.APIError("", response=response, explanation=message)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (404, "No such container: x", NotFound),
        (404, "No such image: web:1", ImageMissing),
        (404, "network berth-1.team not found", NetworkMissing),
        (403, "Address already in use", AddressTaken),
        (403, "Pool overlaps with other one on this address space", AddressTaken),
        (500, "invalid pool request: Pool overlaps with other one on this address space", AddressTaken),
        (500, "Invalid address 1.2.3.4: It does not belong to any of this network's subnets", Refused),
        (403, "error while removing network: network x id 1 has active endpoints", Refused),
        (400, "Minimum memory limit allowed is 6MB", Refused),
        (500, "driver failed to remove root filesystem: device or resource busy", EngineFault),
    ],
)
def test_the_engines_answers_have_names(status: int, message: str, error: type[EngineError]) -> None:
    with pytest.raises(EngineError) as raised, translated():
        raise answer(status, message)
    assert type(raised.value) is error
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError("refused"), requests.ReadTimeout("slow"), docker.errors.DockerException("no version")],
)
def test_silence_means_unreachable(error: Exception) -> None:
    with pytest.raises(EngineUnreachable), translated():
        raise error


def test_what_the_system_said_is_taken_out_of_its_wrappings() -> None:
    wrapped = requests.ConnectionError("Aborted.", ConnectionRefusedError(111, "Connection refused"))
    with pytest.raises(EngineUnreachable, match=r"^the engine does not answer: Connection refused$"), translated():
        raise docker.errors.DockerException(f"Error while fetching: {wrapped}") from wrapped
    with pytest.raises(EngineUnreachable, match="no version"), translated():
        raise docker.errors.DockerException("no version")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Get https://ann:hunter2@registry/v2/: denied", "Get https://registry/v2/: denied"),
        ("Get https://s3/blob?X-Signature=abc&y=1: 403", "Get https://s3/blob 403"),
        ('sent Authorization: "Bearer abc.def"', 'sent Authorization: "Bearer …"'),
        ("password=hunter2 token: abc", "password=… token: …"),
        ("two\n  lines", "two lines"),
    ],
)
def test_the_engines_words_lose_what_may_be_secret(said: str, kept: str) -> None:
    assert words(said) == kept


def test_the_engines_words_are_shortened() -> None:
    assert len(words("x" * 1000)) == LONGEST
