"""What an app's own rules do to requests, in a real HAProxy."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import string
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from apps.applications.passwords import hashed
from cloud import embedded
from scheduler.model import Endpoint, HealthCheck, Protocol, Route
from scheduler.routing import Headers, Redirect
from tests.real.edge import http2
from tests.real.edge.conftest import Bench, config, endpoint
from tests.real.edge.server import Answer, Server
from tests.services import wait_until

HOST = "shop.test"
TCP_CHECK = HealthCheck(path=None, interval=0.2, timeout=0.5, failures=2)
UPGRADE = b"\r\n".join((
    b"GET / HTTP/1.1", b"Host: shop.test", b"Connection: Upgrade", b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"", b"",
))  # fmt: skip
SWITCHED = b"\r\n".join((
    b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: websocket",
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"", b"",
))  # fmt: skip


@pytest.fixture
def server(shared: Bench) -> Server:
    return shared.server("one")


def serve(bench: Bench, server: Server, *routes: Route, app: str = "shop", **options: object) -> None:
    wanted = config(*(routes or (HOST,)), **options)
    bench.applied(bench.publish(app, wanted, endpoint("0-1", server)))
    bench.up(app, "0-1")


def test_a_route_by_extension_comes_before_those_by_path(shared: Bench, server: Server) -> None:
    static = shared.server("static")
    serve(shared, server, Route(HOST), Route(HOST, "/api"))
    serve(shared, static, Route(HOST, extensions=("css", "js")), Route(HOST, "/media"), app="static")
    for path, name in (
        ("/", "one"),
        ("/a.css", "static"),
        ("/api/deep/a.min.JS?x=y.html", "static"),
        ("/css", "one"),
        ("/a.css/more", "one"),
        ("/a.html?b=.css", "one"),
        ("/media/a.html", "static"),
        ("/.css", "static"),
        ("/a.css:shop.test", "one"),
    ):
        assert shared.get(HOST, path) == (200, name), path


@pytest.mark.parametrize(
    ("to", "path", "code", "location"),
    [
        (Redirect(host="new.test"), "/old/a?b=c%20d", 307, "http://new.test/old/a?b=c%20d"),
        (Redirect("https", "new.test", permanent=True), "/old", 308, "https://new.test/old"),
        (Redirect(path="/n%41/x"), "/old/a", 307, "http://shop.test/n%41/x"),
        (Redirect("https", path="/new"), "/old/a?b=c", 307, "https://shop.test/new?b=c"),
        (Redirect("https"), "/old/a?b", 307, "https://shop.test/old/a?b"),
    ],
)
def test_a_redirect_changes_what_it_names_and_keeps_the_rest(
    shared: Bench, server: Server, to: Redirect, path: str, code: int, location: str
) -> None:
    serve(shared, server, Route(HOST), Route(HOST, "/old", redirect=to))
    answer = Answer(shared.agent.port, path)
    assert (answer.status, answer.headers["Location"]) == (code, location)
    assert Answer(shared.agent.port, "/older").status == 200


@pytest.mark.parametrize(
    ("to", "location"),
    [
        (Redirect("https"), "https://shop.test:{https}/old/a?b"),
        (Redirect("https", path="/new"), "https://shop.test:{https}/new?b"),
        (Redirect("http", path="/new"), "http://shop.test:{http}/new?b"),
        (Redirect(path="/new"), "http://shop.test:{http}/new?b"),
        (Redirect(host="www.shop.test"), "http://www.shop.test:{http}/old/a?b"),
        (Redirect("https", "www.shop.test"), "https://www.shop.test:{https}/old/a?b"),
        (Redirect("https", "www.shop.test", "/a,b"), "https://www.shop.test:{https}/a,b?b"),
        (Redirect(host="docs.shop.test", path="/docs/a"), "http://docs.shop.test:{http}/docs/a?b"),
        (Redirect("https", "elsewhere.test"), "https://elsewhere.test/old/a?b"),
        (Redirect(host="elsewhere.test"), "http://elsewhere.test/old/a?b"),
    ],
)
def test_a_redirect_of_who_named_a_port_leads_to_the_port_that_it_is_served_at_here(
    shared: Bench, server: Server, to: Redirect, location: str
) -> None:
    also = Route("www.shop.test"), Route("docs.shop.test", "/docs")
    serve(shared, server, Route(HOST), *also, Route(HOST, "/old", redirect=to))
    ports = {"http": shared.agent.port, "https": shared.agent.https_port}
    answer = Answer(shared.agent.port, "/old/a?b", {"Host": f"shop.test:{shared.agent.port}"})
    assert answer.headers["Location"] == location.format(**ports)


def test_a_redirect_of_the_scheme_sends_nobody_who_has_it(shared: Bench, server: Server) -> None:
    serve(shared, server, Route(HOST, redirect=Redirect("http")))
    assert Answer(shared.agent.port).status == 200


@pytest.mark.parametrize(
    ("prefix", "rewrite", "path", "seen"),
    [
        ("/api", "/", "/api", "/"),
        ("/api", "/", "/api/", "/"),
        ("/api", "/", "/api/users/1?q=%2F", "/users/1?q=%2F"),
        ("/api", "/v%412", "/api/users", "/v%412/users"),
        ("/api", "/v2", "/api", "/v2"),
        ("/", "/app", "/users?q", "/app/users?q"),
    ],
)
def test_a_rewritten_path_has_another_prefix(
    shared: Bench, server: Server, prefix: str, rewrite: str, path: str, seen: str
) -> None:
    serve(shared, server, Route(HOST, prefix, rewrite=rewrite))
    assert Answer(shared.agent.port, path, {"X-Forwarded-Prefix": "/forged"}).status == 200
    assert server.requests[-1] == seen
    assert server.headers["X-Forwarded-Prefix"] == prefix


def test_headers_arrive_as_they_were_written(shared: Bench, server: Server) -> None:
    value = "".join(sign for sign in string.printable if sign.isprintable()).strip() + "%[src] %% ${HOME} \\n'"
    request = Headers((("X-Stage", value), ("X-Two", "2")), ("Cookie",))
    response = Headers((("X-Frame-Options", "DENY"), ("X-All", value)), ("Server",))
    serve(shared, server, request=request, response=response)
    answer = Answer(shared.agent.port, headers={"Cookie": "a=b", "X-Two": "1"})
    assert server.headers.get_all("X-Stage") == [value]
    assert server.headers.get_all("X-Two") == ["2"]
    assert "Cookie" not in server.headers
    assert (answer.headers["X-Frame-Options"], answer.headers["X-All"]) == ("DENY", value)
    assert "Server" not in answer.headers


def test_what_a_client_forges_about_itself_does_not_arrive(shared: Bench, server: Server) -> None:
    serve(shared, server)
    forged = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Forwarded": "for=1.2.3.4"}
    assert Answer(shared.agent.port, headers=forged).status == 200
    assert (server.headers["X-Forwarded-For"], server.headers["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert "Forwarded" not in server.headers


def test_trusted_proxies_say_who_asked(bench: Bench) -> None:
    server = bench.server("one")
    said = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9", "X-Forwarded-Proto": "https"}
    bench.agent.kill()
    bench.agent.argv += ["--trusted-proxies", "10.0.0.0/8,127.0.0.0/8"]
    bench.agent.start()
    serve(bench, server, allow=("203.0.113.0/24",))
    assert Answer(bench.agent.port, headers=said).status == 200
    assert (server.headers["X-Forwarded-For"], server.headers["X-Forwarded-Proto"]) == ("203.0.113.9", "https")
    assert Answer(bench.agent.port, headers={"X-Forwarded-For": "nobody"}).status == 403
    assert Answer(bench.agent.port).status == 403


def test_a_client_that_asks_too_often_is_told_to_wait(shared: Bench, server: Server) -> None:
    serve(shared, server, rate=5)
    answers = [Answer(shared.agent.port) for _ in range(12)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 0 < len(refused) <= 7
    assert refused[0].headers["Retry-After"] == "1"
    assert len(server.requests) == 12 - len(refused)


def test_a_body_is_as_large_as_it_may_be(shared: Bench, server: Server) -> None:
    serve(shared, server, max_body=100)
    assert Answer(shared.agent.port, body=b"x" * 100).status == 200
    assert Answer(shared.agent.port).status == 200, "one without a body is not waited for"
    assert Answer(shared.agent.port, body=b"x" * 101).status == 413
    assert (
        Answer(shared.agent.port, headers={"Transfer-Encoding": "chunked"}, body=b"1\r\nx\r\n0\r\n\r\n").status == 411
    )
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("POST", {}, b"x" * 10, 411),
        ("GET", {}, b"x" * 10, 411),
        ("POST", {"content-length": "10"}, b"x" * 10, 200),
        ("POST", {"content-length": "101"}, b"x" * 101, 413),
        ("POST", {}, None, 200),
        ("GET", {}, None, 200),
    ],
)
def test_a_body_is_limited_over_http2_as_well(
    shared: Bench, server: Server, method: str, headers: dict[str, str], body: bytes | None, status: int
) -> None:
    serve(shared, server, max_body=100)
    assert http2.status(shared.agent.https_port, method, headers, body) == status


def test_only_networks_that_are_listed_are_let_in(shared: Bench, server: Server) -> None:
    others = tuple(f"10.0.{n}.0/24" for n in range(200))
    serve(shared, server, allow=(*others, "2001:db8::/32"))
    assert Answer(shared.agent.port).status == 403
    serve(shared, server, allow=(*others, "127.0.0.0/8"))
    assert Answer(shared.agent.port).status == 200
    assert len(server.requests) == 1


def test_maintenance_stands_in_front_of_an_app_that_runs_on(shared: Bench, server: Server) -> None:
    text = "Back at <b>noon</b>; 'soon' \"é\" 中 \\ #1 %[src]\nand $HOME"
    serve(shared, server, maintenance=True, maintenance_text=text)
    answer = Answer(shared.agent.port)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert "&#60;b&#62;noon" in answer.text
    assert answer.text.isascii()
    assert shared.get("other.test")[0] == 404
    serve(shared, server)
    assert Answer(shared.agent.port).status == 200


def test_an_app_without_a_healthy_instance_shows_its_own_page(shared: Bench) -> None:
    shared.applied(shared.publish("shop", config(HOST, error_text="Sorry, we'll be back.")))
    answer = Answer(shared.agent.port)
    assert answer.status == 503
    assert "<p>Sorry, we&#39;ll be back.</p>" in answer.text


def test_a_client_stays_with_its_instance_until_that_drains(shared: Bench) -> None:
    one, two, three = (shared.server(name) for name in ("one", "two", "three"))
    wanted = config(HOST, sticky=True, cookie_key="00112233445566778899aabbccddeeff")
    ends = [endpoint("0-1", one), endpoint("1-1", two)]
    shared.applied(shared.publish("shop", wanted, *ends))
    for instance in ("0-1", "1-1"):
        shared.up("shop", instance)
    first = Answer(shared.agent.port)
    said = first.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert first.text not in said
    cookie = {"Cookie": said.partition(";")[0]}
    reloads = shared.logged("reloaded")
    shared.applied(shared.publish("shop", wanted, *ends, endpoint("2-1", three)))
    shared.up("shop", "2-1")
    assert shared.logged("reloaded") == reloads
    assert {Answer(shared.agent.port, headers=cookie).text for _ in range(9)} == {first.text}
    shared.applied(shared.publish("other", config("other.test")))
    assert shared.logged("reloaded") > reloads
    assert {Answer(shared.agent.port, headers=cookie).text for _ in range(9)} == {first.text}

    leaving = one if first.text == "one" else two
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(Answer, shared.agent.port, "/slow", cookie)
        wait_until(lambda: "/slow" in leaving.requests, "the slow request has come")
        drained = [replace(end, draining=end.port == leaving.server_port) for end in ends]
        reloads = shared.logged("reloaded")
        shared.applied(shared.publish("shop", wanted, *drained, endpoint("2-1", three)))
        assert shared.logged("reloaded") == reloads
        moved = Answer(shared.agent.port, headers=cookie)
        assert moved.text != first.text
        assert moved.headers["Set-Cookie"]
        shared.applied(shared.publish("other", None))
        assert Answer(shared.agent.port, headers=cookie).text != first.text
        leaving.hold.set()
        assert slow.result(30).text == first.text
    shared.applied(shared.publish("shop", wanted, *ends, endpoint("2-1", three)))
    wait_until(
        lambda: Answer(shared.agent.port, headers=cookie).text == first.text, "it is served again by the one before"
    )


def test_a_password_is_asked_for_and_does_not_reach_the_app(shared: Bench, server: Server) -> None:
    serve(shared, server, users=(("alice", hashed("correct horse")), ("bob", hashed("ünïcode '\"\\$1"))))
    refused = Answer(shared.agent.port)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="team.shop"')
    for user, password, status in (
        ("alice", "correct horse", 200),
        ("bob", "ünïcode '\"\\$1", 200),
        ("alice", "wrong horse", 401),
        ("bob", "correct horse", 401),
        ("carol", "correct horse", 401),
    ):
        given = base64.b64encode(f"{user}:{password}".encode()).decode()
        assert Answer(shared.agent.port, headers={"Authorization": f"Basic {given}"}).status == status
    assert len(server.requests) == 2
    assert "Authorization" not in server.headers


def test_a_websocket_lives_through_another_apps_reload(shared: Bench) -> None:
    with echo() as port:
        shared.applied(shared.publish("shop", config(HOST, health=TCP_CHECK), Endpoint("0-1", "127.0.0.1", port)))
        shared.up("shop", "0-1")
        with socket.create_connection(("127.0.0.1", shared.agent.port), timeout=30) as channel:
            channel.sendall(UPGRADE)
            assert channel.recv(4096).startswith(b"HTTP/1.1 101")
            reloads = shared.logged("reloaded")
            for number in range(3):
                channel.sendall(f"before {number}".encode())
                assert channel.recv(4096) == f"before {number}".encode()
                shared.applied(shared.publish("other", config(f"other-{number}.test")))
                channel.sendall(f"after {number}".encode())
                assert channel.recv(4096) == f"after {number}".encode()
            assert shared.logged("reloaded") > reloads
            draining = Endpoint("0-1", "127.0.0.1", port, draining=True)
            shared.applied(shared.publish("shop", config(HOST, health=TCP_CHECK), draining))
            probe = shared.probe("shop", "0-1")
            assert probe is not None
            assert probe.sessions
            channel.sendall(b"still")
            assert channel.recv(4096) == b"still"
        wait_until(lambda: (of := shared.probe("shop", "0-1")) and not of.sessions, "its session has ended")


def test_an_app_is_served_over_tcp_at_its_port(shared: Bench) -> None:
    with echo() as port:
        outside = embedded.free_port()
        wanted = config(protocol=Protocol.TCP, health=TCP_CHECK, tcp_port=outside)
        shared.applied(shared.publish("queue", wanted, Endpoint("0-1", "127.0.0.1", port)))
        shared.up("queue", "0-1")
        with socket.create_connection(("127.0.0.1", outside), timeout=30) as channel:
            channel.sendall(UPGRADE)
            assert channel.recv(4096).startswith(b"HTTP/1.1 101")
            shared.applied(shared.publish("other", config("other.test")))
            channel.sendall(b"\0\xff")
            assert channel.recv(4096) == b"\0\xff"
        shared.applied(shared.publish("queue", None))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", outside), timeout=30)


def test_an_app_whose_port_is_taken_is_refused_and_the_others_are_served(shared: Bench, server: Server) -> None:
    queue = config(protocol=Protocol.TCP, health=TCP_CHECK, tcp_port=server.server_port)
    shared.publish("queue", queue)
    outside = embedded.free_port()
    mail = config(protocol=Protocol.TCP, health=TCP_CHECK, tcp_port=outside)
    shared.applied(shared.publish("mail", mail))
    shared.applied(shared.publish("post", mail))
    wait_until(lambda: (of := shared.report("queue")) and "taken" in of.refused, "queue is refused")
    wait_until(lambda: (of := shared.report("post")) and "team/mail" in of.refused, "post is refused")
    serve(shared, server)
    assert Answer(shared.agent.port).status == 200


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """An app that says yes to an upgrade and repeats all that it is told after; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(4096):
                self.request.sendall(SWITCHED)
            while said := self.request.recv(4096):
                self.request.sendall(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
