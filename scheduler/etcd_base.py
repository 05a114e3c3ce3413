"""What Berth asks of etcd, in Berth's words.

`scheduler.etcd` asks it of a real etcd, `scheduler.etcd_fake` keeps the same in memory; the tests run the same cases
against both. Every call is bounded in time and may be repeated. Keys are given and returned without the client's
prefix; keys and values are text. etcd's revision counts its writes, and it goes back when etcd is wiped.

    EtcdError
      EtcdUnavailable  temporary  no answer, or not in time; whether a write happened is not known
      Compacted        temporary  the history that a watch asked for is gone: read, and watch from there
      LeaseLost        permanent  the lease has expired, and its keys with it
      Conflict         permanent  a key was changed meanwhile, so the conditional write did not happen
      EtcdRefused      permanent  any other answer
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, KeysView, Mapping
from dataclasses import dataclass

import structlog

RELIST_FIRST, RELIST_MOST = 0.05, 2.0  # seconds between attempts to follow again
STOP_WITHIN = 0.25  # seconds

log = structlog.get_logger(__name__)


class EtcdError(Exception):
    """The root of what can go wrong; `temporary` says whether the same call may succeed later by itself."""

    temporary = False


class EtcdUnavailable(EtcdError):
    temporary = True


class Compacted(EtcdError):
    temporary = True


class LeaseLost(EtcdError):
    pass


class Conflict(EtcdError):
    pass


class EtcdRefused(EtcdError):
    pass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that was below some prefixes at a revision; `written` is the revision of the last put among it."""

    values: Mapping[str, str]
    revision: int
    written: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed up to a revision; None: the key was deleted. Of several values of a key, the last."""

    values: Mapping[str, str | None]
    revision: int

    def keys(self) -> KeysView[str]:
        return self.values.keys()


@dataclass(frozen=True, slots=True)
class Peek:
    """Whether keys below a prefix were written since some revision, how many there are, and the revision now."""

    changed: bool
    count: int
    revision: int


class Watch:
    """One watch. As a context manager it is closed at the end."""

    def next(self, timeout: float) -> Changes | None:
        """The next changes, or None when `timeout` seconds brought none. Raises `Compacted`, `EtcdUnavailable`."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store:
    """An etcd as its users see it."""

    def read(self, *prefixes: str) -> Snapshot:
        """Everything below the prefixes (or at them), all at one revision."""
        raise NotImplementedError

    def keys(self, prefix: str) -> frozenset[str]:
        """The keys below a prefix, without their values."""
        raise NotImplementedError

    def peek(self, prefix: str, since: int) -> Peek:
        """Look for writes after revision `since` without fetching them. Only `count` tells of deletions."""
        raise NotImplementedError

    def write(
        self,
        puts: Mapping[str, str],
        deletes: Collection[str] = (),
        *,
        lease: int = 0,
        unchanged: Mapping[str, int] | None = None,
    ) -> int:
        """Put and delete in one transaction and return its revision; the current one if there was nothing to do.

        What is too much for one transaction goes in several, puts in their order and then deletes. The keys that are
        put belong to `lease` if one is given. `unchanged` makes it conditional: key -> the revision of its last
        write, 0 if there must be no such key. Raises `Conflict`, `LeaseLost`, `EtcdUnavailable`.
        """
        raise NotImplementedError

    def put(self, key: str, value: str, *, lease: int = 0) -> int:
        return self.write({key: value}, lease=lease)

    def delete(self, key: str) -> int:
        return self.write({}, (key,))

    def grant(self, ttl: float) -> int:
        """A lease that lasts `ttl` seconds (at least 2) after its last `keep_alive`; returns its number."""
        raise NotImplementedError

    def keep_alive(self, lease: int) -> None:
        """Renew a lease. Raises `LeaseLost`."""
        raise NotImplementedError

    def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; one that has ended already is fine."""
        raise NotImplementedError

    def watch(self, prefix: str, from_revision: int) -> Watch:
        """Changes below `prefix` from that revision on. Close it after use."""
        raise NotImplementedError

    def follow(self, prefix: str, stop: threading.Event, check: float = 5.0) -> Iterator[Snapshot | Changes]:
        """A snapshot, then the changes since; again from a snapshot after any doubt. Ends soon after `stop`.

        In doubt is a watch that ended, one whose history was compacted, one that says nothing although a look at etcd
        every `check` seconds finds something else, and one of an etcd whose revision went back. No call hangs.
        """
        delay = RELIST_FIRST
        while not stop.is_set():
            started = time.monotonic()
            try:
                snapshot = self.read(prefix)
                yield snapshot
                yield from self._changes_since(snapshot, prefix, stop, check)
            except EtcdError as error:
                log.warning("etcd_lost", prefix=prefix, error=str(error))
            if time.monotonic() - started > RELIST_MOST:
                delay = RELIST_FIRST
            stop.wait(delay)
            delay = min(delay * 2, RELIST_MOST)

    def _changes_since(self, snapshot: Snapshot, prefix: str, stop: threading.Event, check: float) -> Iterator[Changes]:
        """The changes after a snapshot, until there is doubt about them."""
        keys, revision = set(snapshot.values), snapshot.revision
        with self.watch(prefix, revision + 1) as watch:
            doubted = False
            due = time.monotonic() + check
            while not stop.is_set():
                changes = watch.next(min(STOP_WITHIN, max(0.01, due - time.monotonic())))
                if changes is not None:
                    keys.difference_update(key for key, value in changes.values.items() if value is None)
                    keys.update(key for key, value in changes.values.items() if value is not None)
                    revision = max(revision, changes.revision)
                    yield changes
                if time.monotonic() < due:
                    continue
                seen = self.peek(prefix, revision)
                if seen.revision < revision:
                    raise EtcdUnavailable("etcd went back in time: it was wiped or restored")
                if seen.changed or seen.count != len(keys):
                    if doubted:  # not under way to us, then
                        raise EtcdUnavailable("the watch has missed a change")
                    doubted, due = True, time.monotonic() + 0.5
                else:
                    doubted, due = False, time.monotonic() + check
