"""Celery tasks: what to look at, and nothing of how. Each may run twice, late or never; the sweep makes up for it."""

from __future__ import annotations

import structlog
from celery import shared_task
from celery.signals import worker_ready

from scheduler import certificates, completeness, inspection, reconciler, relocation, wake
from scheduler.engine.base import EngineError
from scheduler.schedule import PRUNE, SWEEP_ALL, SWEEP_CERTIFICATES, SWEEP_NODES, SWEEP_UNSETTLED
from scheduler.store import reading, retention, runner, sweeping
from scheduler.world import the_world

log = structlog.get_logger(__name__)


@shared_task(name=wake.RECONCILE)
def reconcile(app_id: int) -> None:
    reconciler.reconcile(app_id, the_world())


@shared_task(name=wake.CHECK_NODE)
def check_node(name: str) -> None:
    world = the_world()
    inspection.check_node(name, world.engine(name), world.now())


@shared_task(name=wake.PENDING)
def wake_pending() -> None:
    for app_id in sweeping.pending():
        wake.reconcile(app_id)
    wake.relocate()


@shared_task(name=SWEEP_UNSETTLED)
def sweep_unsettled(everything: bool = False) -> None:
    """Apps on their way, whose event may have got lost or whose runner died; those that etcd has lost.

    What waits for nothing but room is looked at when there is some, and by the sweep of all apps; or with `everything`.
    """
    runner.release_dead()
    for app_id in sweeping.unsettled() if everything else sweeping.underway():
        wake.reconcile(app_id)
    completeness.check(the_world().etcd)


@worker_ready.connect
def take_over(**_: object) -> None:
    """A worker that starts may be there because another one died, with all that it was to look at later."""
    sweep_unsettled.delay(everything=True)


@shared_task(name=SWEEP_NODES)
def sweep_nodes() -> None:
    for name in sweeping.node_urls():
        wake.check_node(name)
    wake.relocate()


@shared_task(name=wake.RELOCATE)
def relocate() -> None:
    relocation.drain(the_world())


@shared_task(name=wake.REBALANCE)
def rebalance(asked: bool) -> None:
    relocation.rebalance_now(the_world(), asked=asked)


@shared_task(name=SWEEP_ALL)
def sweep_all() -> None:
    """Every app, and the keys that belong to none."""
    for app_id in sweeping.everyone():
        wake.reconcile(app_id)
    completeness.clear(the_world().etcd)


@shared_task(name=PRUNE)
def prune() -> None:
    """History that is old enough."""
    deleted = {kind: count for kind, count in retention.prune(the_world().now()).items() if count}
    if deleted:
        log.info("history_pruned", **deleted)


@shared_task(name=wake.CERTIFICATES)
def publish_certificates() -> None:
    certificates.publish(the_world().etcd)


@shared_task(name=wake.ISSUE)
def issue_certificate(certificate_id: int) -> None:
    certificates.issue(certificate_id, the_world())


@shared_task(name=SWEEP_CERTIFICATES)
def sweep_certificates() -> None:
    """What the edges have of certificates, and those whose turn it is to be ordered."""
    certificates.sweep(the_world())


@shared_task(name=wake.REMOVE_GROUP)
def remove_group(name: str) -> None:
    """The network of a deleted group, on every node that answers; `check_node` finds it on the others later."""
    world = the_world()
    for node in sweeping.node_urls():
        try:
            world.engine(node).remove_network(reading.network_name(name))
        except EngineError:
            continue
