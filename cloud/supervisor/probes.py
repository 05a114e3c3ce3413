"""Quick looks at whether something answers. Each takes a fraction of a second at most."""

from __future__ import annotations

import socket
from pathlib import Path

TIMEOUT = 0.3

Address = tuple[str, int] | Path


def _connect(address: Address) -> socket.socket:
    """Raises OSError when nothing listens."""
    if isinstance(address, Path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(str(address))
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection(address, TIMEOUT)


def listens(address: Address) -> bool:
    """Whether a connection is accepted."""
    try:
        _connect(address).close()
    except OSError:
        return False
    return True


def answers(address: Address, path: str, host: str = "localhost") -> bool:
    """Whether an HTTP GET of `path` at `host` gives 200. Without an HTTP library: the supervisor is to stay small."""
    try:
        with _connect(address) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
