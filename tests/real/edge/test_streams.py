"""Long answers that come bit by bit, through a real HAProxy: server-sent events."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scheduler.model import Endpoint, HealthCheck
from tests.real.edge.conftest import Bench, config, endpoint
from tests.services import wait_until

HOST = "events.test"
TCP_CHECK = HealthCheck(path=None, interval=0.2, timeout=0.5, failures=2)
REQUEST = f"GET /events HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n".encode()


class Feed:
    """An instance that answers every request with a stream of events, each of them sent when the test says it."""

    def __init__(self, port: int, said: queue.SimpleQueue[bytes | None]) -> None:
        self.port, self._said = port, said

    def say(self, text: str) -> None:
        self._said.put(f"data: {text}\n\n".encode())

    def end(self) -> None:
        self._said.put(None)


class Listener:
    """A client of a stream: reads it as far as it has come, and not a byte further."""

    def __init__(self, port: int) -> None:
        self._channel = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._channel.sendall(REQUEST)
        self._read = b""

    def hears(self, text: str) -> None:
        """Read until it is there. Raises `TimeoutError` when it does not come, `AssertionError` when it never will."""
        while text.encode() not in self._read:
            some = self._channel.recv(4096)
            assert some, f"the stream ended before {text!r}, after {self._read!r}"
            self._read += some

    def ends(self) -> None:
        """Read up to the stream's end."""
        while not self._read.endswith(b"0\r\n\r\n"):
            some = self._channel.recv(4096)
            assert some, "the connection was closed in the middle of the stream"
            self._read += some

    def close(self) -> None:
        self._channel.close()


@contextlib.contextmanager
def feed() -> Iterator[Feed]:
    said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while (event := said.get()) is not None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield Feed(server.server_port, said)
        finally:
            said.put(None)
            server.shutdown()
            thread.join()


def test_each_event_arrives_before_the_next_is_sent(shared: Bench) -> None:
    with feed() as app:
        shared.applied(shared.publish("feed", config(HOST, health=TCP_CHECK), Endpoint("0-1", "127.0.0.1", app.port)))
        shared.up("feed", "0-1")
        with contextlib.closing(Listener(shared.agent.port)) as client:
            client.hears("200 OK")  # the answer begins before there is any event
            for number in range(20):
                app.say(f"event {number};")
                client.hears(f"event {number};")
            app.end()
            client.ends()


def test_a_stream_lives_through_an_update_of_the_others_and_through_its_own_draining(shared: Bench) -> None:
    wanted = config(HOST, health=TCP_CHECK)
    with feed() as app:
        streaming = Endpoint("0-1", "127.0.0.1", app.port)
        shared.applied(shared.publish("feed", wanted, streaming))
        shared.up("feed", "0-1")
        with contextlib.closing(Listener(shared.agent.port)) as client:
            client.hears("200 OK")
            reloads = shared.logged("reloaded")
            old, new = shared.server("old"), shared.server("new")
            steps = [
                [streaming, endpoint("1-1", old)],
                [streaming, endpoint("1-1", old), endpoint("1-2", new)],
                [streaming, endpoint("1-1", old, draining=True), endpoint("1-2", new)],
                [streaming, endpoint("1-2", new)],
                [Endpoint("0-1", "127.0.0.1", app.port, draining=True), endpoint("1-2", new)],
            ]
            for number, endpoints in enumerate(steps):
                shared.applied(shared.publish("feed", wanted, *endpoints))
                shared.applied(shared.publish("other", config(f"other-{number}.test")))  # which takes a reload
                app.say(f"after step {number};")
                client.hears(f"after step {number};")
            assert shared.logged("reloaded") > reloads
            shared.up("feed", "1-2")
            assert shared.get(HOST) == (200, "new")  # whoever comes now does not get there any more
            wait_until(
                lambda: (probe := shared.probe("feed", "0-1")) and probe.sessions, "its stream counts as a session"
            )
            app.say("the last;")
            client.hears("the last;")
            app.end()
            client.ends()
        wait_until(lambda: (probe := shared.probe("feed", "0-1")) and not probe.sessions, "its stream has ended")
