"""What is behind a fake engine's interface, and what can happen to it without the interface being asked.

Events come in the order in which a real engine sends them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.engine.base import Container, ContainerSpec, EngineEvent, LogLine, NetworkSpec, NotFound
from scheduler.engine.fakefeed import Feed
from scheduler.engine.hostconfig import RESTARTS
from scheduler.model import ExecHealth, Process, Resources

CAPACITY = Resources(cpu=4000, memory=8 << 30, disk=100 << 30)
UP = (Process.RUNNING, Process.PAUSED, Process.RESTARTING)
KILLED, TERMINATED = 128 + 9, 128 + 15  # exit codes


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a millisecond each time that it is looked at."""
    ticks = 0

    def now() -> datetime:
        nonlocal ticks
        ticks += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ticks)

    return now


@dataclass
class Record:
    spec: ContainerSpec
    shown: Container
    lines: list[LogLine] = field(default_factory=list)
    followers: list[Feed[LogLine]] = field(default_factory=list)
    restart_missed: bool = False  # it crashed while the engine was dead


class Machine:
    """Containers and networks. Set `losing_events`, and nobody hears of anything; `now` gives the times shown."""

    def __init__(self, installation: str, name: str, capacity: Resources, now: Callable[[], datetime] | None) -> None:
        self.installation, self.name, self.capacity = installation, name, capacity
        self.now = now or ticking()
        self.losing_events = False
        self.lock = threading.RLock()
        self.dead = False
        self.records: dict[str, Record] = {}
        self.nets: dict[str, NetworkSpec] = {}
        self.subscribers: list[Feed[EngineEvent | None]] = []
        self._made = 0

    # What happens to it.

    def crash(self, id: str, code: int = 1, *, for_good: bool = False, oom: bool = False) -> None:
        """Its process ends. The engine brings it back after a failure, a few times; with `for_good`, no more."""
        with self.lock:
            record = self.record(id)
            if record.shown.process not in UP:
                return
            again = code != 0 and record.shown.restarts < RESTARTS and not for_good
            self.end(record, code, oom=oom)
            if again and self.dead:
                record.restart_missed = True
            elif again:
                self.run(record, restarts=record.shown.restarts + 1)

    def kill_engine(self) -> None:
        """It answers nobody until `revive`. Containers run on; what befalls them meanwhile gives no event."""
        with self.lock:
            self.dead = True
            self.break_off()

    def revive(self) -> None:
        with self.lock:
            self.dead = False
            for record in self.records.values():
                if record.restart_missed:
                    record.restart_missed = False
                    self.run(record, restarts=record.shown.restarts + 1)

    def remove_behind_back(self, id: str) -> None:
        with self.lock:
            self.discard(self.record(id))

    def stop_behind_back(self, id: str) -> None:
        with self.lock:
            record = self.record(id)
            if record.shown.process in UP:
                self.tell(record, "kill")
                self.end(record, TERMINATED)
                self.tell(record, "stop")

    def update_behind_back(self, id: str, **changes: Any) -> None:
        """Change what is shown of a container: fields of `Container`, such as `cpu`, `networks` or `exec_health`."""
        with self.lock:
            record = self.record(id)
            self.show(record, **changes)
            self.tell(record, "update")

    def add_behind_back(self, container: ContainerSpec) -> str:
        """A container that nobody asked for runs: an orphan of Berth's, or something of another's."""
        with self.lock:
            record = self.make(container)
            self.run(record)
            return record.shown.id

    def add_network_behind_back(self, network: NetworkSpec) -> None:
        with self.lock:
            self.nets[network.name] = network

    def print_line(self, id: str, text: str, stream: str = "stdout") -> None:
        """The container writes a line to its log."""
        with self.lock:
            record = self.record(id)
            line = LogLine(self.now(), stream, text)
            record.lines.append(line)
            for feed in record.followers:
                feed.put(line)

    # How it works. The caller holds the lock.

    def find(self, id: str) -> Record | None:
        """By id or name."""
        named = (record for record in self.records.values() if record.shown.name == id)
        return self.records.get(id) or next(named, None)

    def record(self, id: str) -> Record:
        record = self.find(id)
        if record is None:
            raise NotFound(f"No such container: {id}")
        return record

    def make(self, spec: ContainerSpec) -> Record:
        self._made += 1
        shown = Container(
            id=hashed(f"{self.name}/{self._made}"),
            name=spec.name,
            labels=spec.labels,
            process=Process.CREATED,
            exit_code=None,
            started_at=None,
            restarts=0,
            exec_health=ExecHealth.NONE,
            image=spec.digest if spec.digest.startswith("sha256:") else f"sha256:{hashed(spec.digest)}",
            address=spec.address,
            networks=(spec.network,),
            cpu=spec.resources.cpu,
            memory=spec.resources.memory,
        )
        record = self.records[shown.id] = Record(spec, shown)
        self.tell(record, "create")
        return record

    def run(self, record: Record, *, restarts: int = 0) -> None:
        health = ExecHealth.STARTING if record.spec.health_command else ExecHealth.NONE
        self.tell(record, "connect")
        self.show(
            record,
            process=Process.RUNNING,
            exit_code=None,
            started_at=self.now(),
            restarts=restarts,
            exec_health=health,
            oom_killed=False,
        )
        self.tell(record, "start")

    def end(self, record: Record, code: int, *, oom: bool = False) -> None:
        health = ExecHealth.UNHEALTHY if record.spec.health_command else ExecHealth.NONE
        self.show(record, process=Process.EXITED, exit_code=code, exec_health=health, oom_killed=oom)
        self.tell(record, "die")
        self.tell(record, "disconnect")
        for feed in record.followers:
            feed.end()
        record.followers.clear()

    def discard(self, record: Record) -> None:
        if record.shown.process in UP:
            self.tell(record, "kill")
            self.end(record, KILLED)
        del self.records[record.shown.id]
        self.tell(record, "destroy")

    def show(self, record: Record, **changes: Any) -> None:
        record.shown = replace(record.shown, **changes)

    def tell(self, record: Record, action: str) -> None:
        event = EngineEvent(self.now(), action, record.shown.id, record.shown.labels)
        if event.labels.installation == self.installation and not (self.losing_events or self.dead):
            for feed in self.subscribers:
                feed.put(event)

    def break_off(self) -> None:
        """End every subscription, as when the engine goes away."""
        for subscriber in self.subscribers:
            subscriber.break_off()
        self.subscribers.clear()
        for record in self.records.values():
            for follower in record.followers:
                follower.break_off()
            record.followers.clear()


def hashed(text: str) -> str:
    """64 hexadecimal digits, as of an id, always the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()
