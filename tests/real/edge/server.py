"""Small apps in the test's own process, and clients that keep asking."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scheduler.edge.render import USER_AGENT


class Server(ThreadingHTTPServer):
    """An instance of an app: answers with its name, notes who asked for what, does as it is told."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, port: int = 0, status: int = 200) -> None:
        self.name = name
        self.status = status
        self.check_status = 0  # what checks get, if something else
        self.checks = 0
        self.check_path = ""  # the only one that checks pass at, if there is one
        self.requests: list[str] = []  # paths, without the checks
        self.headers = Message()  # of the last request
        self.hold = threading.Event()  # requests to /slow wait for it
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no news."""

    def close(self) -> None:
        self.hold.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer takes as long as an acknowledgement is delayed
    server: Server

    def do_GET(self) -> None:
        if self.headers["User-Agent"] == USER_AGENT:
            self.server.checks += 1
            if self.server.check_path not in ("", self.path):
                self.send_error(404)
                return
        else:
            self.server.requests.append(self.path)
            self.server.headers = self.headers
            if self.path.endswith("/slow"):
                self.server.hold.wait(30)
        checked = self.headers["User-Agent"] == USER_AGENT
        body = self.server.name.encode()
        self.send_response((checked and self.server.check_status) or self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class Answer:
    """One request to shop.test on a connection of its own, and all of what came back."""

    def __init__(
        self, port: int, path: str = "/", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body=body, headers={"Host": "shop.test", **(headers or {})})
            answer = connection.getresponse()
            self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


def get(port: int, host: str, path: str = "/") -> tuple[int, str]:
    """The edge's answer to one request on a connection of its own. Raises `OSError` when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(repr(error)) from error
    finally:
        connection.close()


class Load:
    """Clients that ask one after the other until the end, half of them on one connection each."""

    def __init__(self, port: int, host: str, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()  # by status, or error
        self._port, self._host = port, host
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n % 2 == 0,)) for n in range(clients)]

    def _ask(self, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stopped.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.request("GET", "/", headers={"Host": self._host})
                answer = connection.getresponse()
                answer.read()
                self.answers[str(answer.status)] += 1
                ended = answer.will_close
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1
                ended = True
            if ended or not keep:
                connection.close()
                connection = None
            self._stopped.wait(0.002)
        if connection is not None:
            connection.close()

    @property
    def done(self) -> int:
        return self.answers.total()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)
