"""HAProxy's log lines about checks and servers: which apps to look at."""

from __future__ import annotations

import contextlib
import socket

from scheduler.edge.folder import Folder
from scheduler.edge.verdicts import hinted

LONGEST = 8192  # bytes
MOST = 1000  # read in one go


class Hints:
    """The socket that HAProxy logs to. What is lost on it is found by the next look at all servers."""

    def __init__(self, folder: Folder) -> None:
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        # HAProxy fills abstract names up with zeros to their full length
        self._channel.bind(f"\0{folder.hints}".encode().ljust(108, b"\0"))

    def fileno(self) -> int:
        """Readable when there is something new."""
        return self._channel.fileno()

    def names(self) -> set[str]:
        """The backends that something was said of since."""
        names = set()
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST):
                names.add(hinted(self._channel.recv(LONGEST).decode(errors="replace")))
        return {name for name in names if name is not None}
