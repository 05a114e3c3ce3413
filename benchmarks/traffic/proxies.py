"""HAProxies that a benchmark runs beside the edge's: thousands of backends in one, and one configured by hand."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from cloud.embedded import free_port
from tests.services import listens, process, wait_until

# every address of the loopback network is this machine's, so one listener is as many instances as are asked for
BACKENDS = """
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 1s
frontend all
    bind *:{port}
    http-request return status 200 content-type text/plain lf-string "%[dst]"
"""
BY_HAND = """
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 10s
    option redispatch
    option forwardfor
{more}frontend http
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    use_backend app if {{ hdr(host) -i {host} }}
backend app
    option httpchk GET /
    default-server check inter 2s
{servers}
"""
# what the edge promises beyond: a request that a server has not answered gets another one, and each is written down
KEEPING = """\
    retry-on conn-failure empty-response
    retries 3
    option idle-close-on-response
    log stdout format raw local0
    log-format "%b %si:%sp %ST %ts %Tw %Tc %Tr %U %B"
"""


def address(number: int) -> str:
    """The address of a backend, another for each number up to some millions."""
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@contextlib.contextmanager
def backends(folder: Path) -> Iterator[int]:
    """The port on which any of `address` answers with that address."""
    port = free_port()
    with haproxy(folder / "backends.cfg", BACKENDS.format(port=port), port):
        yield port


@contextlib.contextmanager
def by_hand(folder: Path, host: str, places: Iterable[str], more: str = "") -> Iterator[tuple[int, int]]:
    """Port and process id of a HAProxy that serves `host` from `places`, each an address and a port."""
    port = free_port()
    servers = "\n".join(f"    server s{number} {place}" for number, place in enumerate(places))
    text = BY_HAND.format(port=port, host=host, servers=servers, more=more)
    with haproxy(folder / f"by-hand-{port}.cfg", text, port) as pid:
        yield port, pid


@contextlib.contextmanager
def haproxy(config: Path, text: str, port: int) -> Iterator[int]:
    """The process id of a HAProxy that runs on this configuration."""
    config.write_text(text)
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    # a session of its own, as the edge's has: the kernel shares CPU between sessions
    with process(["setsid", program, "-db", "-f", str(config)], config.with_suffix(".log")) as child:
        wait_until(lambda: listens(("127.0.0.1", port)), f"HAProxy listens, see {config}")
        yield child.pid
