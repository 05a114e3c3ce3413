"""Bodies over the limit, with and without a length."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from apps.rest.limits import LimitBody

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


async def ask(chunks: list[bytes], headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes, int]:
    """Status and body of the answer, and how many bytes the application behind the limit was given."""
    sent: list[dict[str, Any]] = []
    given = 0
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal given
        more = True
        while more:
            message = await receive()
            given += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await LimitBody(app)({"type": "http", "headers": headers}, receive, send)
    return sent[0]["status"], sent[1]["body"], given


async def test_a_body_at_the_limit_passes() -> None:
    assert await ask([b"x" * LIMIT], [(b"content-length", str(LIMIT).encode())]) == (204, b"", LIMIT)


async def test_a_body_that_says_it_is_too_large_is_never_read() -> None:
    status, body, given = await ask([b"x"], [(b"content-length", str(LIMIT + 1).encode())])
    assert (status, json.loads(body)["code"], given) == (413, "too_large", 0)


async def test_a_body_without_a_length_is_read_up_to_the_limit() -> None:
    status, body, given = await ask([b"x" * 100_000] * 1000, [(b"transfer-encoding", b"chunked")])
    assert (status, json.loads(body)["code"]) == (413, "too_large")
    assert given <= LIMIT
