"""Pebble, the ACME server that Let's Encrypt tests clients with, and a name server that says every host is here."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from cloud.embedded import free_port
from tests.certificates import make
from tests.services import listens, process, wait_until


@dataclass(frozen=True)
class Pebble:
    directory: str
    ca: Path  # what its own certificate is checked against
    management: str

    def root(self) -> str:
        """What it issues certificates under, PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"{self.management}/roots/0", context=context, timeout=10) as answer:  # noqa: S310
            return str(answer.read().decode())


@contextlib.contextmanager
def pebble(folder: Path, http_port: int) -> Iterator[Pebble]:
    """One that asks for challenges at `http_port` of this machine, and refuses a fifth of all nonces."""
    folder.mkdir()
    made = make("localhost", others=[x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    (folder / "cert.pem").write_text(made.certificate)
    (folder / "key.pem").write_text(made.key)
    acme, management, dns, names = (free_port() for _ in range(4))
    settings = {
        "listenAddress": f"127.0.0.1:{acme}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": http_port,
        "tlsPort": 1,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    resolver = ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{dns}"]
    resolver += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{names}"]
    server = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    with (
        process(resolver, folder / "names.log"),
        process(server, folder / "pebble.log", {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "20"}),
    ):
        wait_until(lambda: listens(("127.0.0.1", names)), "the name server answers")
        wait_until(lambda: listens(("127.0.0.1", acme)), "Pebble answers")
        yield Pebble(f"https://127.0.0.1:{acme}/dir", folder / "cert.pem", f"https://127.0.0.1:{management}")
