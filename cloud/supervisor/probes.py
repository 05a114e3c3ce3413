"""Quick looks at whether something answers. Each takes a fraction of a second at most."""

from __future__ import annotations

import socket
from pathlib import Path

TIMEOUT = 0.3
PATIENCE = 1.0  # for whoever has to answer, under load too

Address = tuple[str, int] | Path


def _connect(address: Address, timeout: float = TIMEOUT) -> socket.socket:
    """Raises OSError when nothing listens."""
    if isinstance(address, Path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(str(address))
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection(address, timeout)


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


def speaks(address: Address, path: str = "/", host: str = "localhost") -> bool:
    """Whether an HTTP GET is answered, with whatever: a process that is stopped still has its connections accepted."""
    return _says(address, f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").startswith(b"HTTP/")


def pings(address: Address) -> bool:
    """Whether a Redis answers; one that wants a password first does, too."""
    return _says(address, "PING\r\n").startswith((b"+PONG", b"-"))


def _says(address: Address, request: str) -> bytes:
    """The beginning of an answer; nothing when there is none in time."""
    try:
        with _connect(address, PATIENCE) as connection:
            connection.sendall(request.encode())
            return connection.recv(64)
    except OSError:
        return b""
