"""`up --detach`: the supervisor goes on in a session of its own when whoever started it has been told the outcome."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path


class Front:
    """Whoever started the supervisor, in the foreground: nobody waits for word."""

    detached = False

    def up(self, code: int, log: Path) -> None:
        """Everything is up; `code` is the exit code for whoever waits."""


class Waiting(Front):
    """A process waits at the other end of a pipe."""

    detached = True

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def up(self, code: int, log: Path) -> None:
        os.write(self.pipe, bytes([code]))
        os.close(self.pipe)
        # from here on nobody reads along: what goes wrong in the supervisor itself is kept with its log
        with log.open("ab") as errors, Path(os.devnull).open("r+b") as nowhere:
            os.dup2(nowhere.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
            os.dup2(errors.fileno(), 2)


def run(supervise: Callable[[Front], int]) -> int:
    """Run `supervise` in a process of its own; return when it says that all is up, or has ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.setsid()
        code = 1
        try:
            code = supervise(Waiting(write))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # the fork ends here, whatever happened: what comes after `run` is the parent's
    os.close(write)
    signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    said = os.read(read, 1)
    return said[0] if said else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
