"""The app under load: HTTP with kept connections, slow answers, websockets that echo. Runs in a container.

    /           200            /slow   200 after 2 s            a request to upgrade: a websocket

Every answer, a websocket's first one too, names the instance in X-Instance. It is as unhelpful as an app may be: the
stop signal ends it at once, requests under way and websockets included, and it closes connections that idle. From its
environment: BROKEN answers checks with 500; CRASH_AFTER=N ends the process in the midst of its Nth request, and with
FOR_GOOD as well it ends at once whenever it is started after that.
"""

from __future__ import annotations

import base64
import itertools
import os
import socket
import threading
import time
from _sha1 import sha1  # hashlib has the same and loads OpenSSL: a container starts quicker without

PORT = 8080
SLOW = 2.0  # seconds
IDLE = 5.0  # seconds
LONGEST = 65536  # bytes of a request's head or a frame
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

NAME = socket.gethostname().encode()
BROKEN = bool(os.environ.get("BROKEN"))
CRASH_AFTER = int(os.environ.get("CRASH_AFTER", "0"))
FOR_GOOD = bool(os.environ.get("FOR_GOOD"))
CRASHED = "/tmp/crashed"  # noqa: S108 - in a container of its own
requests = itertools.count(1)


def main() -> None:
    if os.path.exists(CRASHED):
        os._exit(1)
    with socket.create_server(("", PORT), backlog=1024) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    try:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(IDLE)
            while answer(connection, head(connection)):
                pass
    except OSError:
        pass  # whoever asked hung up, or idled


def head(connection: socket.socket) -> bytes:
    """A request's head; empty when there comes none. Nobody sends a body."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        piece = connection.recv(LONGEST)
        if not piece or len(read) > LONGEST:
            return b""
        read += piece
    return read


def answer(connection: socket.socket, request: bytes) -> bool:
    """Whether the connection stays open."""
    if not request:
        return False
    path = request.split(b" ", 2)[1]
    if path == b"/health":
        send(connection, b"500 Internal Server Error" if BROKEN else b"200 OK")
        return True
    if next(requests) == CRASH_AFTER:
        if FOR_GOOD:
            open(CRASHED, "w").close()
        os._exit(1)
    fields = dict(line.lower().partition(b": ")[::2] for line in request.split(b"\r\n")[1:])
    if b"sec-websocket-key" in fields:
        # the key tells upper from lower case
        key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        websocket(connection, key.partition(b": ")[2])
        return False
    if path == b"/slow":
        time.sleep(SLOW)
    send(connection, b"200 OK")
    return fields.get(b"connection") != b"close"


def send(connection: socket.socket, status: bytes) -> None:
    connection.sendall(b"HTTP/1.1 %b\r\nX-Instance: %b\r\nContent-Length: 3\r\n\r\nok\n" % (status, NAME))


def websocket(connection: socket.socket, key: bytes) -> None:
    """Echo short frames until one says to close."""
    accept = base64.b64encode(sha1(key + MAGIC).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\nX-Instance: %b\r\n\r\n" % (accept, NAME)
    )
    connection.settimeout(None)
    with connection.makefile("rb") as frames:
        while len(start := frames.read(2)) == 2:
            mask = frames.read(4)
            text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(frames.read(start[1] & 0x7F)))
            connection.sendall(bytes((start[0], len(text))) + text)
            if start[0] & 0x0F == 8:
                return


if __name__ == "__main__":
    main()
