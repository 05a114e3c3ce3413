"""Certificates and ACME challenges in etcd: their keys, and the sealing of what is secret among them.

    apps/_certificates/<group>.<name>  sealed, see `Certificate`  written by the loop
    apps/_challenges/<token>           a key authorization        written by the loop, while a certificate is ordered
    apps/_certified                    "1"                        written with the certificates: they are all there

They lie below `apps`, where no group has an underscore, so that the clock and `applied` of `scheduler.discovery` hold
for them too: an edge that has applied a challenge's revision answers it.

A private key is never in etcd as such. Certificates are sealed with Fernet keys that the edges are given by their
environment; whoever can read etcd alone learns their names and how many there are. A key authorization is no secret:
it is made to be asked for by anyone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from scheduler.discovery import CLOCK
from scheduler.etcd_base import Store

CERTIFICATES = "apps/_certificates/"
CHALLENGES = "apps/_challenges/"
CERTIFIED = "apps/_certified"
KEYS = "BERTH_EDGE_KEYS"  # in the environment; `BERTH_EDGE_KEYS_FILE` may name a file instead


class Unreadable(Exception):
    """None of the keys opens this, or what it holds is no certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an edge serves under some hosts. `pem`: chain and private key, as HAProxy reads them from one file."""

    pem: str
    hosts: tuple[str, ...]
    https_only: bool = False  # requests in the clear are sent to HTTPS

    def __repr__(self) -> str:
        return f"Certificate(hosts={self.hosts}, https_only={self.https_only})"


class Sealer:
    """Seals with the first of the keys and opens with any. Raises `ValueError` for a key that is none."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [Fernet(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def seal(self, certificate: Certificate) -> str:
        value = {"pem": certificate.pem, "hosts": certificate.hosts, "https_only": certificate.https_only}
        return self._keys[0].encrypt(json.dumps(value).encode()).decode()

    def open(self, text: str) -> Certificate:
        """Raises `Unreadable`."""
        for key in self._keys:
            try:
                value = json.loads(key.decrypt(text.encode()))
                return Certificate(value["pem"], tuple(value["hosts"]), value["https_only"])
            except InvalidToken:
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise Unreadable(f"not a certificate: {type(error).__name__}") from None
        raise Unreadable(f"none of {KEYS} opens it")

    def says(self, text: str, certificate: Certificate) -> bool:
        """Whether `text` is this certificate under the newest key."""
        try:
            return Sealer.of(self._keys[0]).open(text) == certificate
        except Unreadable:
            return False

    @classmethod
    def of(cls, key: Fernet) -> Sealer:
        made = cls(())
        made._keys = [key]
        return made


def keys_from(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The keys that this process was given. Raises `OSError` when it was named a file that it cannot read."""
    path = environment.get(f"{KEYS}_FILE")
    text = Path(path).read_text() if path else environment.get(KEYS, "")
    return tuple(text.replace(",", " ").split())


def publish(etcd: Store, sealer: Sealer, wanted: Mapping[str, Certificate]) -> int:
    """Make etcd hold exactly these certificates, by `<group>.<name>`. Returns the revision at which it did.

    What is there already, sealed with the newest key, is not written again. Raises `EtcdError`.
    """
    found = etcd.read(CLOCK, CERTIFICATES, CERTIFIED)
    puts = {}
    for name, certificate in sorted(wanted.items()):
        key = f"{CERTIFICATES}{name}"
        if key not in found.values or not sealer.says(found.values[key], certificate):
            puts[key] = sealer.seal(certificate)
    keep = {f"{CERTIFICATES}{name}" for name in wanted} | {CLOCK, CERTIFIED}
    deletes = sorted(found.values.keys() - keep)
    if not puts and not deletes and CERTIFIED in found.values:
        return found.written
    # last, so that whoever finds it finds all certificates
    return etcd.write({CLOCK: "_certificates", **puts, CERTIFIED: "1"}, deletes)


def challenge(etcd: Store, answers: Mapping[str, str]) -> int:
    """Have the edges answer these tokens with these key authorizations. Returns the revision. Raises `EtcdError`."""
    return etcd.write({CLOCK: "_challenges", **{f"{CHALLENGES}{token}": said for token, said in answers.items()}})


def end_challenge(etcd: Store, tokens: Iterable[str]) -> None:
    """Have them answered no more. Raises `EtcdError`."""
    etcd.write({CLOCK: "_challenges"}, [f"{CHALLENGES}{token}" for token in tokens])
