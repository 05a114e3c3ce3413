"""Engine events and edge reports -> recorded status, at once. Its own process; two may run.

Everything here only makes the loop prompt. An event may be lost: whoever has subscribed lists first, the lists are
repeated at every reconnect, and beat's sweep would find the rest.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import structlog
from django.db import close_old_connections

from cloud import heartbeat
from scheduler import completeness, discovery, inspection, wake
from scheduler.engine.base import EngineError, EngineEvent, Events
from scheduler.etcd import Changes, Snapshot
from scheduler.store import sweeping
from scheduler.world import World, the_world

NODES_EVERY = 5.0  # seconds between looks for nodes that were enrolled or removed
RECONNECT_FIRST, RECONNECT_MOST = 0.5, 10.0  # seconds
# what an event can mean for an instance; the others come with one of these
TELLING = frozenset({"start", "die", "oom", "pause", "unpause", "destroy", "update", "health_status", "disconnect"})

log = structlog.get_logger(__name__)


def main() -> None:
    """Watch until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    world = the_world()
    reports = threading.Thread(target=watch_edges, args=(world, stop), name="edges", daemon=True)
    reports.start()
    watchers: dict[str, NodeWatcher] = {}
    while True:
        _guarded(_match_nodes, watchers)
        heartbeat.beat()
        if stop.wait(NODES_EVERY):
            break
    for watcher in watchers.values():
        watcher.stop()


def _match_nodes(watchers: dict[str, NodeWatcher]) -> None:
    close_old_connections()
    urls = sweeping.node_urls()
    for name in [name for name in watchers if watchers[name].url != urls.get(name)]:
        watchers.pop(name).stop()
    for name in urls.keys() - watchers.keys():
        watchers[name] = NodeWatcher(name, urls[name])


class NodeWatcher:
    """One thread that follows one engine's events."""

    def __init__(self, node: str, url: str) -> None:
        self.node, self.url = node, url
        self._stopped = threading.Event()
        self._events: Events | None = None
        threading.Thread(target=self._run, name=f"events-{node}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._events is not None:
            self._events.close()

    def _run(self) -> None:
        delay = RECONNECT_FIRST
        while not self._stopped.is_set():
            started = time.monotonic()
            _guarded(self._follow, the_world())
            if time.monotonic() - started > RECONNECT_MOST:
                delay = RECONNECT_FIRST
            self._stopped.wait(delay)
            delay = min(delay * 2, RECONNECT_MOST)

    def _follow(self, world: World) -> None:
        """Handle events until the subscription breaks off."""
        close_old_connections()
        try:
            self._events = world.engine(self.node).events()
            for event in self._events:
                close_old_connections()
                _guarded(handle, self.node, event, world)
        except EngineError as error:
            inspection.unreachable(self.node, str(error))


def handle(node: str, event: EngineEvent | None, world: World) -> None:
    """One event; None says that the subscription stands, so that what happened before it is to be listed."""
    engine = world.engine(node)
    if event is None:
        inspection.check_node(node, engine, world.now())
    elif event.action in TELLING:
        inspection.check_container(node, engine, event)


def watch_edges(world: World, stop: threading.Event) -> None:
    """Wake the apps that an edge says something new about."""
    for news in world.etcd.follow(discovery.EDGE_NEWS, stop):
        close_old_connections()
        if isinstance(news, Snapshot):  # whatever came before it may have been missed, and etcd may be another one
            _guarded(completeness.check, world.etcd)
        _guarded(_heard, news)


def _heard(news: Snapshot | Changes) -> None:
    if isinstance(news, Snapshot):
        for app_id in sweeping.unsettled():
            wake.noticed(app_id)
        return
    apps = set()
    edges = False
    for key in news.values:
        names = discovery.reported_app(key)
        if names is None:
            edges = True
        elif (found := sweeping.app_id(*names)) is not None:
            apps.add(found)
    if edges:
        apps.update(sweeping.leaving())
    for app_id in apps:
        wake.noticed(app_id)


def _guarded(work: Callable[..., None], *args: object) -> None:
    """One piece of work that fails is reported; the others go on."""
    try:
        work(*args)
    except Exception:
        log.exception("observation_failed")
