"""Ports of this machine."""

from __future__ import annotations

import socket


def free(port: int, address: str) -> bool:
    """Whether nobody listens there. `address` as HAProxy takes it: `*` or empty is any."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is merely in TIME_WAIT is free
        try:
            tried.bind(("" if address == "*" else address, port))
        except OSError:
            return False
    return True
