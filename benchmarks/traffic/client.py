"""Clients in one process, and what became of everything that they asked.

    python -m benchmarks.traffic.client PORT HOST '{"fresh": 4, "kept": 4, "slow": 2, "sockets": 2, "lasting": 2}'

fresh    a request on a connection of its own
kept     one request after the other on a connection that stays
slow     a request that takes two seconds, half of them on kept connections
sockets  a websocket of SOCKET seconds, with an echo every ECHO seconds
lasting  a websocket that the client never ends

Each number is how many clients of that kind ask without a pause but PAUSE. A request has not failed if its answer is a
whole 200. A kept connection that the other side closed before anything more was sent on it is opened again, which is
no failure; one that is closed with a request on its way is. A websocket that ends before its client ends it is broken.

Once a second a JSON line goes to standard output: how many of each kind were answered since the last line, how long
`fresh` and `kept` took (20 log10 of milliseconds), and each failure with its time, its kind, what it was and which
instance was concerned, if one was. SIGTERM ends it: requests under way are waited for.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

PAUSE = 0.01  # seconds
AFTER_FAILURE = 0.05  # seconds: enough failures tell the same
PATIENCE = 30.0  # seconds for a connection or an answer
SOCKET, ECHO = 2.5, 0.25  # seconds
TELL = 1.0  # seconds
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
STEPS = 20  # of latency, to a factor of ten

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Failed(Exception):
    """A request or a websocket that failed: what it was, and whose answer."""

    def __init__(self, what: str, instance: str = "") -> None:
        super().__init__(what)
        self.what, self.instance = what, instance


@dataclass(frozen=True)
class Answer:
    status: int
    instance: str
    stays: bool  # the connection


class Client:
    """Everything that one process asks."""

    def __init__(self, port: int, host: str) -> None:
        self.port, self.host = port, host
        self.stopped = asyncio.Event()
        self.answered: Counter[str] = Counter()
        self.latency: Counter[str] = Counter()  # of answers that were to come at once, by step
        self.failures: list[dict[str, object]] = []

    async def run(self, clients: dict[str, int]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopped.set)
        kinds = {"fresh": self.fresh, "kept": self.kept, "slow": self.slow, "sockets": self.socket}
        tasks = [asyncio.create_task(kinds[kind](n)) for kind in kinds for n in range(clients.get(kind, 0))]
        endless = [asyncio.create_task(self.lasting()) for _ in range(clients.get("lasting", 0))]
        endless.append(asyncio.create_task(self.tell_on()))
        await asyncio.gather(*tasks)
        await self.stopped.wait()
        for task in endless:
            task.cancel()
        await asyncio.gather(*endless, return_exceptions=True)
        self.tell()

    async def tell_on(self) -> None:
        while True:
            await asyncio.sleep(TELL)
            self.tell()

    def tell(self) -> None:
        answered, self.answered = self.answered, Counter()
        failures, self.failures = self.failures, []
        latency, self.latency = self.latency, Counter()
        print(json.dumps({"answered": answered, "latency": latency, "failures": failures}), flush=True)

    async def attempt(self, kind: str, once: Callable[[], Awaitable[None]]) -> None:
        """One request, or one websocket, and what became of it."""
        began = time.monotonic()
        try:
            await once()
            self.answered[kind] += 1
            if kind in ("fresh", "kept"):
                self.latency[str(round(STEPS * math.log10((time.monotonic() - began) * 1000)))] += 1
        except Failed as failed:
            self.failures.append({"at": time.time(), "kind": kind, "what": failed.what, "instance": failed.instance})
            await asyncio.sleep(AFTER_FAILURE)

    async def fresh(self, _number: int) -> None:
        async def once() -> None:
            stream = await self.connect()
            try:
                fine(await self.ask(stream, "/", "Connection: close\r\n"))
            finally:
                stream[1].close()

        while not self.stopped.is_set():
            await self.attempt("fresh", once)
            await asyncio.sleep(PAUSE)

    async def kept(self, _number: int) -> None:
        await self.keep("kept", "/", PAUSE)

    async def slow(self, number: int) -> None:
        await asyncio.sleep(number * 0.1)  # not all at once
        if number % 2:
            await self.keep("slow", "/slow", PAUSE)
            return

        async def once() -> None:
            stream = await self.connect()
            try:
                fine(await self.ask(stream, "/slow", "Connection: close\r\n"))
            finally:
                stream[1].close()

        while not self.stopped.is_set():
            await self.attempt("slow", once)

    async def keep(self, kind: str, path: str, pause: float) -> None:
        stream: Stream | None = None

        async def once() -> None:
            nonlocal stream
            if stream is not None and stream[0].at_eof():
                drop()
                self.answered["reopened"] += 1
            stream = stream or await self.connect()
            try:
                answer = await self.ask(stream, path)
            except Failed:
                drop()
                raise
            if not answer.stays:
                drop()
            fine(answer)

        def drop() -> None:
            nonlocal stream
            if stream is not None:
                stream[1].close()
            stream = None

        while not self.stopped.is_set():
            await self.attempt(kind, once)
            await asyncio.sleep(pause)
        drop()

    async def socket(self, number: int) -> None:
        await asyncio.sleep(number * SOCKET / 7)  # not all at once
        while not self.stopped.is_set():
            await self.attempt("sockets", lambda: self.converse(SOCKET))

    async def lasting(self) -> None:
        while True:
            await self.attempt("lasting", lambda: self.converse(float("inf")))

    async def converse(self, seconds: float) -> None:
        """One websocket, for so long."""
        reader, writer = stream = await self.connect()
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            answer = await self.ask(stream, "/socket", UPGRADE + f"Sec-WebSocket-Key: {key}\r\n")
            if answer.status != 101:
                raise Failed(f"{answer.status} to a handshake", answer.instance)
            end = time.monotonic() + seconds
            for number in itertools.count():
                closing = time.monotonic() >= end
                text = str(number).encode()
                try:
                    writer.write(frame(8 if closing else 1, text))
                    echo = await asyncio.wait_for(reader.readexactly(2 + len(text)), PATIENCE)
                except (OSError, asyncio.IncompleteReadError) as error:
                    raise Failed(f"websocket broken: {type(error).__name__}", answer.instance) from error
                except TimeoutError as error:
                    raise Failed("websocket: no echo", answer.instance) from error
                if echo[2:] != text:
                    raise Failed("websocket: wrong echo", answer.instance)
                if closing:
                    return
                await asyncio.sleep(ECHO)
        finally:
            writer.close()

    async def connect(self) -> Stream:
        try:
            return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), PATIENCE)
        except TimeoutError as error:
            raise Failed("no connection in time") from error
        except OSError as error:
            raise Failed(f"no connection: {type(error).__name__}") from error

    async def ask(self, stream: Stream, path: str, fields: str = "") -> Answer:
        """The answer, read to its end."""
        reader, writer = stream
        began = time.monotonic()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n{fields}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except TimeoutError as error:
            raise Failed(f"no answer in {PATIENCE:.0f} s") from error
        except asyncio.IncompleteReadError as error:
            raise Failed("broken off in the head" if error.partial else "closed without an answer") from error
        except OSError as error:
            raise Failed(f"no answer: {type(error).__name__} after {time.monotonic() - began:.2f} s") from error
        first, *lines = head.decode("latin-1").split("\r\n")
        said = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status, instance = int(first.split(" ", 2)[1]), said.get("x-instance", "")
        try:
            await asyncio.wait_for(reader.readexactly(int(said.get("content-length", 0))), PATIENCE)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Failed("broken off in the body", instance) from error
        except TimeoutError as error:
            raise Failed("body never ended", instance) from error
        return Answer(status, instance, said.get("connection", "").lower() != "close" and "content-length" in said)


def fine(answer: Answer) -> None:
    if answer.status != 200:
        raise Failed(f"{answer.status} from {'the instance' if answer.instance else 'the edge'}", answer.instance)


def frame(opcode: int, text: bytes) -> bytes:
    """A whole frame of a client, with a mask that masks nothing."""
    return bytes((0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0)) + text


if __name__ == "__main__":
    asyncio.run(Client(int(sys.argv[1]), sys.argv[2]).run(json.loads(sys.argv[3])))
