"""Looking at one engine: does it answer, and are its containers as recorded?

The observer does it whenever it has subscribed to an engine's events, beat's sweep does it regularly. What was found
is recorded, the apps that it concerns are woken, and what carries Berth's labels but belongs to nothing is removed.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from scheduler import wake
from scheduler.engine.base import Container, Engine, EngineError, EngineEvent
from scheduler.lifecycle import State
from scheduler.model import Process
from scheduler.store import images, recording, sweeping

MOST_INSTANCES = 500  # a node; an engine gets slow long before it says no

log = structlog.get_logger(__name__)


def check_node(node: str, engine: Engine, now: datetime) -> bool:
    """Look at the whole engine. False: it does not answer, or is another node's already."""
    try:
        info = engine.info()
        containers = engine.containers()
        networks = engine.networks()
    except EngineError as error:
        unreachable(node, str(error))
        return False
    if other := recording.same_engine(node, info.id):
        recording.node_refused(node, other)
        return False
    if recording.node_info(node, info, now, MOST_INSTANCES):
        _wake_all(sweeping.pending())
    try:
        _compare(node, engine, containers)
    except EngineError as error:
        unreachable(node, str(error))
        return False
    _note_images(node, engine)
    for container in recording.orphans(containers):
        _remove_orphan(node, engine, container)
    groups = sweeping.group_names()
    for name, labels in networks:
        if labels.group not in groups:
            _remove_network(engine, name)
    return True


def check_container(node: str, engine: Engine, event: EngineEvent) -> None:
    """Look at the container that an event names. One that belongs to nothing is left to `check_node`."""
    row = recording.present_one(event.labels.app_id, event.labels.generation)
    if event.action == "start" and row and row.state == State.ASSIGNED and row.process == Process.UNKNOWN:
        return  # the loop's own doing, and it is about to record it
    if event.action == "destroy" and (row is None or (row.state == State.STOPPING and row.process == Process.EXITED)):
        return  # the same; and what belongs to nothing is not there any more
    if row is None:
        wake.check_node(node)
        return
    try:
        container = engine.container(event.container)
    except EngineError as error:
        unreachable(node, str(error))
        return
    if recording.seen(row, container):
        wake.noticed(row.app_id)


def unreachable(node: str, problem: str) -> None:
    if recording.node_unreachable(node, problem):
        log.warning("node_unreachable", node=node, problem=problem)


def _compare(node: str, engine: Engine, containers: list[Container]) -> None:
    """Every recorded instance of the node against what was listed."""
    listed = {(c.labels.app_id, c.labels.generation): c for c in containers}
    changed = set()
    for row in recording.present(node):
        container = listed.get((row.app_id, row.generation))
        if container is None and row.container:
            # the list may be older than the row: ask for this one before it is called missing
            container = engine.container(row.container)
        if recording.seen(row, container):
            changed.add(row.app_id)
    _wake_all(changed)


def _note_images(node: str, engine: Engine) -> None:
    """Which images the engine has. That it does not say costs new instances a preference and nothing else."""
    try:
        images.record(node, engine.image_sizes())
    except EngineError as error:
        log.warning("images_unknown", node=node, error=str(error))


def _wake_all(app_ids: set[int] | list[int]) -> None:
    for app_id in app_ids:
        wake.reconcile(app_id)


def _remove_orphan(node: str, engine: Engine, container: Container) -> None:
    try:
        if engine.container(container.id) is None:
            return  # the loop removed it after it was listed here: it belonged to an instance that is gone now
        engine.remove(container.id)
    except EngineError as error:
        log.warning("orphan_stays", node=node, container=container.name, error=str(error))
        return
    recording.orphan_removed(node, container)


def _remove_network(engine: Engine, name: str) -> None:
    try:
        engine.remove_network(name)
    except EngineError as error:
        log.warning("network_stays", network=name, error=str(error))
