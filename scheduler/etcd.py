"""The real etcd. The only module that speaks its protocol; `scheduler.etcd_base` has the words and the errors.

`etcd3` gives the channel and the messages, but not the watcher: its own tells nobody when a stream ends without an
error, waits without end for what a stopped server owes it, dies of any error that is not gRPC's, and does not resume.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from scheduler.etcd_base import (
    Changes,
    Compacted,
    Conflict,
    EtcdError,
    EtcdRefused,
    EtcdUnavailable,
    LeaseLost,
    Peek,
    Snapshot,
    Store,
    Watch,
)

__all__ = [
    "Changes", "Compacted", "Conflict", "Etcd", "EtcdError", "EtcdRefused", "EtcdUnavailable", "LeaseLost", "Peek",
    "Snapshot", "Store", "Watch",
]  # fmt: skip

# etcd3's messages were generated for a protobuf that only this implementation still reads
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

MOST_OPS, MOST_BYTES = 100, 512 << 10  # of one transaction; etcd's own limits are 128 and 1.5 MiB
RECONNECT = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500))
SIZES = (("grpc.max_receive_message_length", -1),)


class Etcd(Store):
    """A client. It connects at its first call, anew in each process that was forked with it; threads may share it."""

    def __init__(self, host: str, port: int, prefix: str = "/berth/", timeout: float = 3.0) -> None:
        self._address = (host, port)
        self._prefix = prefix
        self._timeout = timeout
        self._connecting = threading.Lock()
        self._connection: _Connection | None = None

    @property
    def _wire(self) -> _Connection:
        with self._connecting:
            if self._connection is None or self._connection.pid != os.getpid():
                self._connection = _Connection(*self._address, self._timeout)
            return self._connection

    def read(self, *prefixes: str) -> Snapshot:
        wire = self._wire
        ranges = [wire.rpc.RangeRequest(key=low, range_end=high) for low, high in map(self._range, prefixes)]
        if len(ranges) == 1:
            found = [wire.call(wire.kv.Range, ranges[0])]
            revision = found[0].header.revision
        else:
            answer = wire.call(
                wire.kv.Txn, wire.rpc.TxnRequest(success=[wire.rpc.RequestOp(request_range=r) for r in ranges])
            )
            found = [each.response_range for each in answer.responses]
            revision = answer.header.revision
        kvs = [kv for each in found for kv in each.kvs]
        values = {self._name(kv.key): kv.value.decode(errors="replace") for kv in kvs}
        return Snapshot(values, revision, max((kv.mod_revision for kv in kvs), default=0))

    def keys(self, prefix: str) -> frozenset[str]:
        low, high = self._range(prefix)
        wire = self._wire
        found = wire.call(wire.kv.Range, wire.rpc.RangeRequest(key=low, range_end=high, keys_only=True))
        return frozenset(self._name(kv.key) for kv in found.kvs)

    def peek(self, prefix: str, since: int) -> Peek:
        low, high = self._range(prefix)
        wire = self._wire
        request = wire.rpc.RangeRequest(key=low, range_end=high, keys_only=True, limit=1, min_mod_revision=since + 1)
        found = wire.call(wire.kv.Range, request)
        return Peek(bool(found.kvs), found.count, found.header.revision)

    def write(
        self,
        puts: Mapping[str, str],
        deletes: Collection[str] = (),
        *,
        lease: int = 0,
        unchanged: Mapping[str, int] | None = None,
    ) -> int:
        wire = self._wire
        compare = [
            wire.rpc.Compare(
                key=self._key(key), target=wire.rpc.Compare.MOD, result=wire.rpc.Compare.EQUAL, mod_revision=revision
            )
            for key, revision in (unchanged or {}).items()
        ]
        revision = 0
        for operations in _chunks(self._operations(puts, deletes, lease)):
            answer = wire.call(wire.kv.Txn, wire.rpc.TxnRequest(compare=compare, success=operations))
            if not answer.succeeded:
                raise Conflict(f"not as expected any more: {', '.join(unchanged or ())}")
            revision = answer.header.revision
        return revision

    def _operations(self, puts: Mapping[str, str], deletes: Collection[str], lease: int) -> Iterator[Any]:
        rpc = self._wire.rpc
        for key, value in puts.items():
            put = rpc.PutRequest(key=self._key(key), value=value.encode(), lease=lease)
            yield rpc.RequestOp(request_put=put)
        for key in deletes:
            yield rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=self._key(key)))

    def grant(self, ttl: float) -> int:
        wire = self._wire
        return int(wire.call(wire.lease.LeaseGrant, wire.rpc.LeaseGrantRequest(TTL=max(2, round(ttl)))).ID)

    def keep_alive(self, lease: int) -> None:
        wire = self._wire
        answers = wire.call(wire.lease.LeaseKeepAlive, iter([wire.rpc.LeaseKeepAliveRequest(ID=lease)]), first=True)
        if answers.TTL <= 0:
            raise LeaseLost(f"lease {lease} has expired")

    def revoke(self, lease: int) -> None:
        wire = self._wire
        try:
            wire.call(wire.lease.LeaseRevoke, wire.rpc.LeaseRevokeRequest(ID=lease))
        except LeaseLost:
            return

    def watch(self, prefix: str, from_revision: int) -> Watch:
        low, high = self._range(prefix)
        wire = self._wire
        create = wire.rpc.WatchCreateRequest(key=low, range_end=high, start_revision=from_revision)
        return _StreamWatch(wire, wire.rpc.WatchRequest(create_request=create), self._name)

    def close(self) -> None:
        with self._connecting:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _key(self, name: str) -> bytes:
        return f"{self._prefix}{name}".encode()

    def _range(self, prefix: str) -> tuple[bytes, bytes]:
        low = self._key(prefix)
        return low, low[:-1] + bytes([low[-1] + 1])

    def _name(self, key: bytes) -> str:
        return key.decode(errors="replace").removeprefix(self._prefix)


class _StreamWatch(Watch):
    """A watch on a gRPC stream of its own. Whatever ends the stream is what `next` raises."""

    def __init__(self, wire: _Connection, request: Any, name: Callable[[bytes], str]) -> None:
        self._wire = wire
        self._name = name
        self._closed = threading.Event()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stream = wire.watch.Watch(self._requests(request))
        threading.Thread(target=self._read, name="etcd-watch", daemon=True).start()

    def _requests(self, request: Any) -> Iterator[Any]:
        yield request
        self._closed.wait()  # the end of the requests would end the stream

    def _read(self) -> None:
        end: EtcdError = EtcdUnavailable("the watch ended")
        try:
            for answer in self._stream:
                self._answers.put(answer)
        except self._wire.grpc.RpcError as error:
            end = self._wire.translated(error)
        finally:
            self._answers.put(end)

    def next(self, timeout: float) -> Changes | None:
        give_up = time.monotonic() + timeout
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                return None
            if isinstance(answer, EtcdError):
                self._answers.put(answer)  # it stays ended
                raise answer
            if answer.compact_revision:
                raise Compacted(f"history starts at revision {answer.compact_revision}")
            if answer.canceled:
                raise EtcdUnavailable(f"the watch was cancelled: {answer.cancel_reason}")
            if answer.events:
                delete = self._wire.kv_event.DELETE
                values = {
                    self._name(event.kv.key): None if event.type == delete else event.kv.value.decode(errors="replace")
                    for event in answer.events
                }
                # not the header's revision: what lies between may still be under way
                return Changes(values, max(event.kv.mod_revision for event in answer.events))

    def close(self) -> None:
        self._closed.set()
        self._stream.cancel()


class _Connection:
    """A channel of this process with etcd's stubs, and what its errors mean."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of how etcd3's messages are declared
            import etcd3  # here: a process that is only forked from must not load grpc
            import etcd3.etcdrpc
            import etcd3.etcdrpc.kv_pb2
            import grpc

        self.pid = os.getpid()
        self.grpc, self.rpc, self.kv_event = grpc, etcd3.etcdrpc, etcd3.etcdrpc.kv_pb2.Event
        self._timeout = timeout
        self._client = etcd3.client(host, port, grpc_options=[*RECONNECT, *SIZES])
        self.kv, self.lease = self._client.kvstub, self._client.leasestub

    @cached_property
    def watch(self) -> Any:
        return self.rpc.WatchStub(self._client.channel)

    def call(self, method: Any, request: Any, *, first: bool = False) -> Any:
        """Call etcd within the time-out; of a stream, `first` takes the first answer."""
        try:
            answer = method(request, timeout=self._timeout)
            return next(answer) if first else answer
        except self.grpc.RpcError as error:
            raise self.translated(error) from error
        except StopIteration as error:
            raise EtcdUnavailable("the stream ended without an answer") from error

    def translated(self, error: Any) -> EtcdError:
        code, text = error.code(), f"{error.code().name}: {error.details()}"
        codes = self.grpc.StatusCode
        if code is codes.NOT_FOUND and "lease" in text:
            return LeaseLost(text)
        if code is codes.OUT_OF_RANGE:
            return Compacted(text)
        passing = {codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED, codes.CANCELLED, codes.ABORTED, codes.INTERNAL}
        if code in passing | {codes.RESOURCE_EXHAUSTED, codes.UNKNOWN}:
            return EtcdUnavailable(text)
        return EtcdRefused(text)

    def close(self) -> None:
        self._client.close()


def _chunks(operations: Iterable[Any]) -> Iterator[list[Any]]:
    """Cut into what one transaction may hold; at least one piece, even of nothing."""
    piece: list[Any] = []
    size = 0
    for operation in operations:
        weight = operation.ByteSize()
        if piece and (len(piece) == MOST_OPS or size + weight > MOST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(operation)
        size += weight
    yield piece
