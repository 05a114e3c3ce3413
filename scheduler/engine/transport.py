"""docker-py's client, made fit for a long-lived process with several threads.

As it comes, it keeps a connection pool for every URL that it ever asked for: no connection is used twice, and a pool
may be closed while another thread is about to take from it. Some of its calls wait without any bound, and nothing can
end one that waits. Here one pool serves all, every wait is bounded, and `close` ends them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import docker
import requests
import urllib3
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.transport.unixconn import UnixHTTPConnectionPool
from docker.types import CancellableStream
from docker.utils import parse_host, version_lt
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from scheduler.engine.base import EngineUnreachable

POOL = 16  # connections kept; more than that at once work too, and are closed after use
CONNECT = 5.0  # seconds to be connected
SILENCE = 60.0  # seconds that a stream with an end, such as a pull's, may be silent
ENDLESS = (CONNECT, None)  # the timeouts of a stream that is silent while nothing happens

# A host that vanished without a word is noticed after half a minute, even on a stream that says nothing for hours.
KEEPALIVE = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]

T = TypeVar("T")


class Client:
    """An `APIClient` that is made at its first use, so that an engine which is away can be spoken of.

    One session serves all threads: the engine sets no cookies, nothing else of a session changes after it was made,
    and urllib3's pool is made for threads.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = str(parse_host(url)), timeout
        self._pool = _pool(self._url)
        self._lock = threading.Lock()
        self._api: docker.APIClient | None = None

    def __call__(self) -> docker.APIClient:
        """The client, speaking the newest version that both it and the engine know."""
        with self._lock:
            if self._api is None:
                newest = self._make(DEFAULT_DOCKER_API_VERSION)
                spoken = newest.version(api_version=False)["ApiVersion"]
                self._api = self._make(spoken) if version_lt(spoken, DEFAULT_DOCKER_API_VERSION) else newest
            return self._api

    def close(self) -> None:
        """End everything that waits for the engine. A later call connects anew."""
        for connection in list(self._pool.connections):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _make(self, version: str) -> docker.APIClient:
        api = docker.APIClient(base_url=self._url, version=version, timeout=self._timeout)  # type: ignore[arg-type]
        api.trust_env = False  # an engine is reached directly, whatever proxy the environment names
        api.mount("http+docker://" if self._url.startswith("http+unix://") else "http://", _Adapter(self._pool))
        return api


class Stream(Generic[T]):
    """What a response brings bit by bit. `close`, from any thread, ends the iteration.

    Raises `EngineUnreachable` when it breaks off by itself.
    """

    def __init__(self, response: requests.Response, items: Iterator[T]) -> None:
        self._response, self._items, self._closed = response, items, False

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return next(self._items)
        except (EngineUnreachable, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._closed:
                raise StopIteration from None
            raise EngineUnreachable("the engine broke off") from error

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            CancellableStream(iter(()), self._response).close()


class _Tracked(HTTPConnectionPool):
    """A pool that knows its connections, those in use as well."""

    connections: weakref.WeakSet[Any]

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        self.connections.add(connection)
        return connection


class _UnixPool(_Tracked, UnixHTTPConnectionPool):
    pass


def _pool(url: str) -> _Tracked:
    if url.startswith("http+unix://"):
        pool: _Tracked = _UnixPool(url, url.removeprefix("http+unix://"), maxsize=POOL)
    else:
        at = urllib.parse.urlsplit(url)
        pool = _Tracked(at.hostname or "", at.port, maxsize=POOL, socket_options=KEEPALIVE)
    pool.connections = weakref.WeakSet()
    return pool


class _Adapter(HTTPAdapter):
    """Sends every request through one pool, within bounds."""

    def __init__(self, pool: _Tracked) -> None:
        super().__init__()
        self._pool = pool

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return request.path_url

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *how: Any, **more: Any
    ) -> requests.Response:
        bounded = timeout if isinstance(timeout, tuple) else (CONNECT, timeout or SILENCE)
        return super().send(request, stream, bounded, *how, **more)
