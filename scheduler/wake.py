"""How others set the loop going: the tasks' names, and a message that leaves only after commit.

This is all that `apps` knows of the scheduler's tasks, so nothing of the scheduler is loaded to accept a request.
"""

from __future__ import annotations

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

log = structlog.get_logger(__name__)


def reconcile(app_id: int, *, after: float = 0) -> None:
    """Have app `app_id` looked at, `after` so many seconds.

    The message is a hint: if it is lost, the sweep finds what it was about. So a broker that is away does not fail
    the caller, whose change is already safe in the database.
    """
    _send(RECONCILE, app_id, after=after)


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
    def send() -> None:
        try:
            current_app.send_task(task, args=args, countdown=after or None, retry=False, ignore_result=True)
        except OperationalError as error:
            log.warning("wake_lost", task=task, args=args, error=str(error))

    transaction.on_commit(send)
