"""Certificates and ACME challenges: from etcd's text to HAProxy's files and to HAProxy itself.

A renewed certificate, and a challenge, goes over the socket without a reload. Another set of certificates or hosts
takes a hitless reload. Either way the files are written first, and each certificate was read by HAProxy on its own
before it takes the place of the one before: one that it refuses changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scheduler.edge import haproxy as program
from scheduler.edge import https, pem
from scheduler.edge.folder import Folder, write
from scheduler.edge.grammar import Refused
from scheduler.edge.sockets import HaproxyRefused, Runtime
from scheduler.etcd_base import Changes, Snapshot
from scheduler.tls import CERTIFICATES, CERTIFIED, CHALLENGES, Certificate, Sealer, Unreadable

DEFAULT_LIFE = timedelta(days=3650)
PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # what a command may name without escapes
LONGEST_REFUSAL = 500  # characters
LONGEST_PAYLOAD = 15_000  # bytes; HAProxy takes what fits in 16 KiB

log = structlog.get_logger(__name__)


class Certificates:
    """`wanted` is what etcd says, as far as it may be served; `served` what the files say."""

    def __init__(self, folder: Folder, sealer: Sealer) -> None:
        self.wanted: dict[str, Certificate] = {}
        self.served: dict[str, Certificate] = {}
        self.refused: dict[str, str] = {}
        self._told_of: dict[str, str] = {}  # refusals, by certificate
        self._challenges: dict[str, str] = {}
        self._answered: dict[str, str] = {}
        self._folder, self._sealer = folder, sealer
        self._texts: dict[str, str] = {}  # what etcd has, so that only what differs is opened

    @property
    def pending(self) -> bool:
        """Whether something is not served as wanted yet."""
        return self.wanted != self.served or self._challenges != self._answered or self.needs_reload

    @property
    def needs_reload(self) -> bool:
        return self._folder.certificates_behind.exists() or _shape(self.wanted) != _shape(self.served)

    def load(self) -> None:
        """Read back what was served before, and see to it that HAProxy finds every file that it looks for."""
        folder = self._folder
        folder.certificates.mkdir(mode=0o700, exist_ok=True)
        if _ends(folder.default) < datetime.now(UTC):
            secret(folder.default, self_signed())
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            for name, kept in json.loads(folder.certificates_record.read_text()).items():
                certificate = Certificate(
                    folder.certificate(name).read_text(), tuple(kept["hosts"]), kept["https_only"]
                )
                pem.check_certificate(name, certificate)
                self.served[name] = certificate
        self.wanted = dict(self.served)
        folder.challenges.write_text("")
        self._lists(self.served)

    def take(self, news: Snapshot | Changes) -> None:
        """What etcd says. What may not be served is left out; a refused one leaves the one before."""
        if isinstance(news, Snapshot):
            present = {key: text for key, text in news.values.items() if key.startswith((CERTIFICATES, CHALLENGES))}
            gone = self._texts.keys() - present.keys()
            if CERTIFIED in news.values:  # else etcd has lost them, which is no order to serve none
                gone |= {f"{CERTIFICATES}{name}" for name in self.wanted} - present.keys()
            else:
                gone = {key for key in gone if key.startswith(CHALLENGES)}
            self._apply({**dict.fromkeys(gone), **present})
        else:
            self._apply({key: text for key, text in news.values.items() if key.startswith((CERTIFICATES, CHALLENGES))})
            if news.values.get(CERTIFIED):
                kept = {name for name in self.wanted if f"{CERTIFICATES}{name}" not in self._texts}
                self._apply({f"{CERTIFICATES}{name}": None for name in kept})

    def _apply(self, texts: Mapping[str, str | None]) -> None:
        for key, text in texts.items():
            if text is not None and self._texts.get(key) == text:
                continue
            if key.startswith(CHALLENGES):
                self._challenge(key.removeprefix(CHALLENGES), text)
            else:
                self._certificate(key.removeprefix(CERTIFICATES), text)
            if text is None:
                self._texts.pop(key, None)
            else:
                self._texts[key] = text

    def _challenge(self, token: str, said: str | None) -> None:
        self._challenges.pop(token, None)
        if said is None:
            return
        try:
            pem.check_challenge(token, said)
        except Refused as error:
            log.error("challenge_refused", error=str(error))
        else:
            self._challenges[token] = said

    def _certificate(self, name: str, text: str | None) -> None:
        self.refused.pop(name, None)
        if text is None:
            self.wanted.pop(name, None)
            return
        try:
            certificate = self._sealer.open(text)
            pem.check_certificate(name, certificate)
        except (Refused, Unreadable) as error:
            self._refuse(name, str(error))
        else:
            self.wanted[name] = certificate

    def _refuse(self, name: str, why: str) -> None:
        """Go on as before."""
        log.error("certificate_refused", certificate=ascii(name)[:100], error=why)
        self.refused[name] = why.replace(f"{self._folder.staged}/", "")[:LONGEST_REFUSAL]
        if name in self.served:
            self.wanted[name] = self.served[name]
        else:
            self.wanted.pop(name, None)

    def news(self) -> dict[str, str]:
        """Refusals that are others than when last asked, by certificate; an empty one is over."""
        refused = {name: why for name, why in self.refused.items() if pem.is_name(name)}
        news = {name: why for name, why in refused.items() if self._told_of.get(name) != why}
        news |= dict.fromkeys(self._told_of.keys() - refused.keys(), "")
        self._told_of = refused
        return news

    def tell(self, runtime: Runtime) -> None:
        """Renewed certificates and challenges, over the socket. Raises `HaproxyGone`; then a reload is due."""
        if self.needs_reload or not self.pending:
            return
        renewed = {name: each for name, each in self.wanted.items() if each != self.served[name]}
        self._check(renewed)
        renewed = {name: each for name, each in renewed.items() if self.wanted[name] == each}
        self._folder.certificates_behind.touch()
        for name, each in renewed.items():
            secret(self._folder.certificate(name), each.pem)
            self.served[name] = each
        old, self._answered = self._answered, dict(self._challenges)
        write(self._folder.challenges, https.challenges(self._answered))
        if not self._told(runtime, renewed, old):
            return  # the files are ahead of HAProxy, so a reload is due
        self._folder.certificates_behind.unlink()
        for name in renewed:
            log.info("certificate_renewed", certificate=name)

    def _told(self, runtime: Runtime, renewed: Mapping[str, Certificate], old: Mapping[str, str]) -> bool:
        if not PLAIN.fullmatch(str(self._folder.root)):
            return False
        for name, each in renewed.items():
            if len(each.pem) > LONGEST_PAYLOAD or not runtime.renew(self._folder.certificate(name), each.pem):
                return False
        entries = {f"{https.WELL_KNOWN}{token}": said for token, said in self._answered.items() if token not in old}
        gone = [f"{https.WELL_KNOWN}{token}" for token in old.keys() - self._answered.keys()]
        return runtime.change_map(self._folder.challenges, entries, gone)

    def reload(self, reread: Callable[[], None]) -> None:
        """Bring in all that is wanted with one reload. Raises `HaproxyRefused` when HAProxy serves on as before."""
        self._check({name: each for name, each in self.wanted.items() if each != self.served.get(name)})
        before, after = dict(self.served), dict(self.wanted)
        self._swap(after)
        try:
            reread()
        except HaproxyRefused:
            self._swap(before)
            self.wanted = dict(before)  # until etcd says something else
            self._folder.certificates_behind.unlink()
            raise
        self._folder.certificates_behind.unlink()
        for name in before.keys() - after.keys():
            self._folder.certificate(name).unlink(missing_ok=True)
        log.info("certificates_served", count=len(after))

    def _swap(self, certificates: dict[str, Certificate]) -> None:
        self._folder.certificates_behind.touch()
        for name, each in certificates.items():
            if self.served.get(name) != each:
                secret(self._folder.certificate(name), each.pem)
        self.served, self._answered = certificates, dict(self._challenges)
        write(self._folder.challenges, https.challenges(self._answered))
        self._lists(certificates)

    def _lists(self, certificates: Mapping[str, Certificate]) -> None:
        record = {name: {"hosts": each.hosts, "https_only": each.https_only} for name, each in certificates.items()}
        write(self._folder.certificates_record, json.dumps(record))
        write(self._folder.https_only, https.https_only(certificates))
        write(self._folder.crt_list, https.crt_list(certificates))

    def _check(self, certificates: Mapping[str, Certificate]) -> None:
        """Have HAProxy read them without using them. Those that it refuses stay as they were."""
        if not self._fine(certificates) and len(certificates) > 1:
            for name, each in certificates.items():
                self._fine({name: each})

    def _fine(self, certificates: Mapping[str, Certificate]) -> bool:
        if not certificates:
            return True
        staged = self._folder.staged / "certificates.list"
        try:
            for name, each in certificates.items():
                secret(self._folder.staged / f"{name}.pem", each.pem)
            write(staged, https.crt_list(certificates))
            write(self._folder.staged / "certificates.check", https.check(self._folder, str(staged)))
            program.check([self._folder.staged / "certificates.check"])
        except HaproxyRefused as error:
            if len(certificates) == 1:
                self._refuse(next(iter(certificates)), str(error))
            return False
        finally:
            for name in certificates:
                (self._folder.staged / f"{name}.pem").unlink(missing_ok=True)
        return True


def secret(path: Path, text: str) -> None:
    """Replace a file's content at once; nobody but its owner can ever read it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def self_signed() -> str:
    """A certificate for names that none is there for. Nobody trusts it, and HAProxy needs one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "No certificate is served here")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + DEFAULT_LIFE)
    pkcs8 = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return (made.sign(key, hashes.SHA256()).public_bytes(pem) + key.private_bytes(pem, pkcs8, plain)).decode()


def _ends(path: Path) -> datetime:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _shape(certificates: Mapping[str, Certificate]) -> dict[str, tuple[tuple[str, ...], bool]]:
    return {name: (each.hosts, each.https_only) for name, each in certificates.items()}
