"""A process tells the supervisor that it is ready: one byte into the pipe that it was started with."""

from __future__ import annotations

import contextlib
import os

VARIABLE = "BERTH_READY_FD"


def tell(*_: object, **__: object) -> None:
    """Say it, once. Takes any arguments, so that it can be connected to a signal; without a supervisor it does nothing.

    The variable is removed, so that children of this process do not write into a descriptor of another meaning.
    """
    descriptor = os.environ.pop(VARIABLE, "")
    if descriptor:
        with contextlib.suppress(BrokenPipeError):  # the supervisor wants us to end by now
            os.write(int(descriptor), b"\n")
        os.close(int(descriptor))
