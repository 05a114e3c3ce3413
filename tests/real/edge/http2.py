"""A client that speaks HTTP/2 and says of its body only what a test has it say."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamEnded, StreamReset

TIMEOUT = 30.0  # seconds


def status(port: int, method: str, headers: Mapping[str, str], body: bytes | None) -> int:
    """The status of the answer to one request to shop.test; 0 when there is none. `body` None: headers are all."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname="shop.test") as channel,
    ):
        connection = H2Connection()
        connection.initiate_connection()
        asked = [(":method", method), (":scheme", "https"), (":authority", "shop.test"), (":path", "/")]
        connection.send_headers(1, [*asked, *headers.items()], end_stream=body is None)
        if body is not None:
            connection.send_data(1, body, end_stream=True)
        channel.sendall(connection.data_to_send())
        return _answer(connection, channel)


def _answer(connection: H2Connection, channel: ssl.SSLSocket) -> int:
    found = 0
    while piece := channel.recv(1 << 16):
        for event in connection.receive_data(piece):
            if isinstance(event, ResponseReceived):
                found = int(dict(event.headers)[b":status"])
            elif isinstance(event, StreamEnded | StreamReset):
                return found
        channel.sendall(connection.data_to_send())
    return found
