"""An etcd in memory, for tests: the same revisions, leases, watches and refusals as the real one, and no thread.

`down` makes every call fail, `wipe` loses everything, revisions included, as a lost disk would, `compact` forgets
history, and `expire` ends a lease as its time would.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from scheduler.etcd_base import (
    Changes,
    Compacted,
    Conflict,
    EtcdUnavailable,
    LeaseLost,
    Peek,
    Snapshot,
    Store,
    Watch,
)


class FakeEtcd(Store):
    def __init__(self) -> None:
        self._down = False
        self._lives = 0  # how often it was down or wiped: no watch survives that
        self._last_lease = 0
        self._changed = threading.Condition(threading.RLock())
        self._clear()

    def _clear(self) -> None:
        self._values: dict[str, str] = {}
        self._written: dict[str, int] = {}  # revision of each key's last write
        self._leases: dict[int, set[str]] = {}
        self._history: list[tuple[int, dict[str, str | None]]] = []
        self._compacted = 0
        self._revision = 1

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        with self._changed:
            self._down = down
            self._lives += down
            self._changed.notify_all()

    def wipe(self) -> None:
        with self._changed:
            self._clear()
            self._lives += 1
            self._changed.notify_all()

    def compact(self) -> None:
        """Forget all history up to now."""
        with self._changed:
            self._compacted = self._revision
            self._history.clear()

    def expire(self, lease: int) -> None:
        self.revoke(lease)

    def read(self, *prefixes: str) -> Snapshot:
        with self._up():
            values = {key: value for key, value in sorted(self._values.items()) if key.startswith(prefixes)}
            return Snapshot(values, self._revision, max((self._written[key] for key in values), default=0))

    def keys(self, prefix: str) -> frozenset[str]:
        return frozenset(self.read(prefix).values)

    def peek(self, prefix: str, since: int) -> Peek:
        with self._up():
            written = [revision for key, revision in self._written.items() if key.startswith(prefix)]
            return Peek(any(revision > since for revision in written), len(written), self._revision)

    def write(
        self,
        puts: Mapping[str, str],
        deletes: Collection[str] = (),
        *,
        lease: int = 0,
        unchanged: Mapping[str, int] | None = None,
    ) -> int:
        with self._up():
            if any(self._written.get(key, 0) != revision for key, revision in (unchanged or {}).items()):
                raise Conflict("not as expected any more")
            if lease and lease not in self._leases:
                raise LeaseLost(f"lease {lease} has expired")
            self._apply({**puts, **dict.fromkeys(key for key in deletes if key in self._values)}, lease)
            return self._revision

    def _apply(self, changes: Mapping[str, str | None], lease: int = 0) -> None:
        if not changes:
            return
        self._revision += 1
        for key, value in changes.items():
            for keys in self._leases.values():
                keys.discard(key)
            if value is None:
                del self._values[key], self._written[key]
                continue
            self._values[key], self._written[key] = value, self._revision
            if lease:
                self._leases[lease].add(key)
        self._history.append((self._revision, dict(changes)))
        self._changed.notify_all()

    def grant(self, ttl: float) -> int:
        with self._up():
            self._last_lease += 1
            self._leases[self._last_lease] = set()
            return self._last_lease

    def keep_alive(self, lease: int) -> None:
        with self._up():
            if lease not in self._leases:
                raise LeaseLost(f"lease {lease} has expired")

    def revoke(self, lease: int) -> None:
        with self._up():
            self._apply(dict.fromkeys(self._leases.pop(lease, ())))

    def watch(self, prefix: str, from_revision: int) -> Watch:
        return _FakeWatch(self, prefix, from_revision)

    def _up(self) -> threading.Condition:
        if self._down:
            raise EtcdUnavailable("etcd does not answer")
        return self._changed


class _FakeWatch(Watch):
    def __init__(self, etcd: FakeEtcd, prefix: str, from_revision: int) -> None:
        self._etcd, self._prefix, self._next = etcd, prefix, from_revision
        self._life = etcd._lives

    def next(self, timeout: float) -> Changes | None:
        with self._etcd._changed:
            self._etcd._changed.wait_for(lambda: self._ended or self._news(), timeout)
            if self._life != self._etcd._lives:
                raise EtcdUnavailable("the watch ended")
            if self._next <= self._etcd._compacted:
                raise Compacted(f"history starts at revision {self._etcd._compacted}")
            news = self._news()
            if not news:
                return None
            revision, values = news[0]
            self._next = revision + 1
            return Changes({key: value for key, value in values.items() if key.startswith(self._prefix)}, revision)

    @property
    def _ended(self) -> bool:
        return self._life != self._etcd._lives or self._next <= self._etcd._compacted

    def _news(self) -> list[tuple[int, dict[str, str | None]]]:
        return [
            (revision, values)
            for revision, values in self._etcd._history
            if revision >= self._next and any(key.startswith(self._prefix) for key in values)
        ]

    def close(self) -> None:
        return
