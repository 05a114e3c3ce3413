"""The supervisor's side of the nursery: asking it for a process, and watching one that it forked."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from collections.abc import Mapping, Sequence

from cloud.supervisor.child import Child
from cloud.supervisor.supervised import State

VARIABLE = "BERTH_NURSERY_FD"  # tells the nursery its end of the socket
PATIENCE = 5.0  # seconds in which the nursery has to have forked


class Forked:
    """A process that the nursery forked; the kernel made it our child when its own parent ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class Nursery(Child):
    """The nursery as a supervised process. While it is not ready, processes are started from scratch instead."""

    _ours: socket.socket | None = None

    def start(self, now: float) -> None:
        """Start it with a socket of its own: what an earlier one was asked for is nothing to a new one."""
        if self._ours is not None:
            self._ours.close()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(PATIENCE)
        with theirs:
            self.pass_fds = [theirs.fileno()]
            self.spec = dataclasses.replace(self.spec, env={**self.spec.env, VARIABLE: str(theirs.fileno())})
            super().start(now)

    def fork(self, role: str, env: Mapping[str, str], descriptors: Sequence[int]) -> Forked | None:
        """A process that runs `manage.py role` with these as its standard output, standard error, and ready pipe.

        None when the nursery is not there to make it.
        """
        if self.state is not State.READY or self._ours is None:
            return None
        request = json.dumps({"role": role, "env": dict(env), "parent": os.getpid()}).encode()
        try:
            socket.send_fds(self._ours, [request], list(descriptors))
            return Forked(int(self._ours.recv(32)))
        except (OSError, ValueError):  # it is about to end, which the loop will see
            return None
