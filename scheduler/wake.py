"""How others set the loop going: the tasks' names, and a message that leaves only after commit.

This is all that `apps` knows of the scheduler's tasks, so nothing of the scheduler is loaded to accept a request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

RECONCILE = "scheduler.reconcile"  # (app_id)
CHECK_NODE = "scheduler.check_node"  # (node_name)
PENDING = "scheduler.wake_pending"  # ()
RELOCATE = "scheduler.relocate"  # (): what drains want
REBALANCE = "scheduler.rebalance"  # (asked)
REMOVE_GROUP = "scheduler.remove_group"  # (group_name): its network on every node
CERTIFICATES = "scheduler.publish_certificates"  # ()
ISSUE = "scheduler.issue_certificate"  # (certificate_id)

NOTICED_EVERY = 0.1  # seconds between two messages about an app of which much is noticed

log = structlog.get_logger(__name__)


def reconcile(app_id: int, *, after: float = 0) -> None:
    """Have app `app_id` looked at, `after` so many seconds.

    The message is a hint: if it is lost, the sweep finds what it was about. So a broker that is away does not fail
    the caller, whose change is already safe in the database.
    """
    _send(RECONCILE, app_id, after=after)


def noticed(app_id: int) -> None:
    """As `reconcile`, for who observes and is in no transaction: news of many instances at once are a few messages."""
    _noticed(app_id)


def check_node(name: str) -> None:
    """Have node `name` looked at: does its engine answer, and are its containers as recorded?"""
    _send(CHECK_NODE, name)


def pending() -> None:
    """Have the apps that wait for room looked at: there may be some now."""
    _send(PENDING)


def relocate() -> None:
    """Have the instances of nodes that are being emptied looked at: the next ones may move now."""
    _send(RELOCATE)


def rebalance() -> None:
    """Have instances moved to nodes that suit them better, if there are any."""
    _send(REBALANCE, True)


def remove_group(name: str) -> None:
    """Have what a deleted group left on the nodes removed."""
    _send(REMOVE_GROUP, name)


def publish_certificates() -> None:
    """Have the edges told which certificates there are."""
    _send(CERTIFICATES)


def issue(certificate_id: int) -> None:
    """Have a certificate ordered, if it is its turn."""
    _send(ISSUE, certificate_id)


def _send(task: str, *args: object, after: float = 0) -> None:
    transaction.on_commit(partial(_message, task, *args, after=after))


def _message(task: str, *args: object, after: float = 0) -> None:
    try:
        current_app.send_task(task, args=args, countdown=after or None, retry=False, ignore_result=True)
    except OperationalError as error:
        log.warning("wake_lost", task=task, args=args, error=str(error))


class Throttle:
    """Passes on at once what comes alone; of what comes thick and fast, the first and then one every `every` seconds.

    Whatever is passed in is passed on after that, by this call or by one that is under way: so nothing goes unheard.
    """

    def __init__(self, send: Callable[[int], None], every: float) -> None:
        self._send, self._every = send, every
        self._lock = threading.Lock()
        self._free: dict[int, float] = {}  # from when on an app's next one may go
        self._under_way: set[int] = set()  # apps for which one is to go then

    def __call__(self, app_id: int) -> None:
        with self._lock:
            if app_id in self._under_way:
                return
            now = time.monotonic()
            free = self._free.get(app_id, now)
            self._free[app_id] = max(free, now) + self._every
            if free > now:
                self._under_way.add(app_id)
                later = threading.Timer(free - now, self._go, [app_id])
                later.daemon = True
                later.start()
                return
        self._send(app_id)

    def _go(self, app_id: int) -> None:
        with self._lock:
            self._under_way.discard(app_id)  # before it is sent: what comes from now on is not in it
        self._send(app_id)


_noticed = Throttle(lambda app_id: _message(RECONCILE, app_id), every=NOTICED_EVERY)
