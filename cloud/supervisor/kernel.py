"""The calls to Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import signal

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36


def tie_to_parent(parent: int) -> None:
    """Have this process end when its parent does, even when that is killed; at once if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What `top` and `ps -o comm` call this process; 15 bytes of it count."""
    _prctl(_PR_SET_NAME, name.encode()[:15])
