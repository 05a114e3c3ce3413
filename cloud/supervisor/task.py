"""A command that runs to its end while the supervisor's loop goes on, and says on the way how far it is.

It prints one JSON object a line; any other line, and all of its standard error, goes to its log file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from cloud.supervisor import logfiles
from cloud.supervisor.child import Fork, Running
from cloud.supervisor.specs import MANAGE, ROOT, Spec, environment
from cloud.supervisor.supervisor import Stopped, Supervisor

Message = dict[str, Any]


class TaskFailed(Exception):
    """It ended with an error; the message is the one it gave, or the end of its log."""


def run(
    supervisor: Supervisor, fork: Fork, command: str, heard: Callable[[Message], None], tick: Callable[[], None]
) -> None:
    """Run `manage.py command`. Raises `TaskFailed`, or `Stopped` when the supervisor is asked to end meanwhile."""
    log = supervisor.logs / f"{command}.log"
    logfiles.rotate(log)
    read, write = os.pipe()
    error = ""
    with log.open("ab") as out, os.fdopen(read, "rb") as said:
        process = _start(fork, command, write, out.fileno())
        os.close(write)
        supervisor.awaited.add(process.pid)
        try:
            for line in _lines(supervisor, said.fileno(), tick):
                try:
                    message = json.loads(line)
                except ValueError:
                    out.write(line + b"\n")
                    continue
                error = message.get("error", error)
                heard(message)
        except BaseException:
            os.kill(process.pid, signal.SIGKILL)
            raise
        finally:
            while (code := process.poll()) is None:
                supervisor.turn(0.01)
            supervisor.awaited.discard(process.pid)
    if code:
        raise TaskFailed(error or logfiles.tail(log))


def _start(fork: Fork, command: str, out: int, err: int) -> Running:
    env = environment(Spec(command, (*MANAGE, command)))
    forked = fork(command, env, [out, err])
    if forked is not None:
        return forked
    argv = [*MANAGE, command]
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=out, stderr=err, start_new_session=True)


def _lines(supervisor: Supervisor, descriptor: int, tick: Callable[[], None]) -> Iterator[bytes]:
    """Each line that comes out of `descriptor`, with turns of the loop between."""
    os.set_blocking(descriptor, False)
    rest = b""
    while True:
        supervisor.turn(0.1, also=descriptor)
        tick()
        if supervisor.stop_asked:
            raise Stopped
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            continue
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
