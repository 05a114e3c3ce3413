"""One runner an app: a lease on the app's row, renewed while a pass runs, free again soon after its holder died.

Whoever holds it says in its token which process it is. So on the holder's own machine nobody has to wait until the
lease of a process that was killed is over; on another one they do.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from zlib import crc32

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.applications.models import App
from cloud.supervisor.identity import Identity, boot

LEASE = timedelta(seconds=15)
RENEWAL = 5.0  # seconds


class Runner:
    """The right to work on one app."""

    def __init__(self, app_id: int, token: str) -> None:
        self.app_id = app_id
        self.token = token

    def _mine(self) -> QuerySet[App]:
        return App.objects.filter(id=self.app_id, runner=self.token)

    def renew(self) -> bool:
        """Hold on for another lease. False: it expired and someone else has the app now."""
        return bool(self._mine().update(runner_until=timezone.now() + LEASE))

    def finish(self) -> bool:
        """Let go, unless a pass was asked for meanwhile: then False, and the caller is to run it."""
        if self._mine().filter(again=False).update(runner="", runner_until=None):
            return True
        return not self._mine().update(again=False, runner_until=timezone.now() + LEASE)

    def abandon(self) -> None:
        self._mine().update(runner="", runner_until=None)


@contextlib.contextmanager
def run(app_id: int) -> Iterator[Runner | None]:
    """Become the app's runner, or get None: another one is at work and has been told to look once more."""
    runner = _take(app_id, _token())
    if runner is None:
        yield None
        return
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(runner, done), name=f"lease-{app_id}", daemon=True)
    heart.start()
    try:
        yield runner
    finally:
        done.set()
        runner.abandon()
        heart.join()


def _take(app_id: int, token: str) -> Runner | None:
    """Claim the row, or leave word with whoever holds it.

    The holder may let go between the two: then nobody would read the word, so the claim is tried once more.
    """
    for _ in range(2):
        now = timezone.now()
        free = Q(runner="") | Q(runner_until__lt=now)
        if App.objects.filter(free, id=app_id).update(runner=token, runner_until=now + LEASE, again=False):
            return Runner(app_id, token)
        if not App.objects.filter(id=app_id).update(again=True):
            return None  # the app is gone
    return None


def release_dead() -> list[int]:
    """Free the apps whose runner was a process of this machine that has ended; returns them."""
    freed = []
    for app_id, token in App.objects.filter(runner__startswith=f"{_machine()}.").values_list("id", "runner"):
        _, pid, began, _ = token.split(".")
        if Identity.of(int(pid)) == Identity(int(pid), int(began), boot()):
            continue
        if App.objects.filter(id=app_id, runner=token).update(runner="", runner_until=None):
            freed.append(app_id)
    return freed


def _token() -> str:
    """Machine, pid, when the process began, and a random word."""
    own = Identity.of(os.getpid())
    began = own.started if own else 0
    return f"{_machine()}.{os.getpid()}.{began}.{secrets.token_hex(4)}"


@cache
def _machine() -> str:
    """One word for all processes that can see each other by pid: a boot of a kernel, and a namespace of pids."""
    namespace = os.stat("/proc/self/ns/pid").st_ino
    return f"{crc32(f'{boot()}/{namespace}'.encode()):08x}"


def _beat(runner: Runner, done: threading.Event) -> None:
    try:
        while not done.wait(RENEWAL):
            runner.renew()
    finally:
        connection.close()
