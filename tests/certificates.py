"""Certificates for tests, and what a client sees that asks for one."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Made:
    certificate: str
    key: str
    serial: int

    @property
    def pem(self) -> str:
        return self.certificate + self.key


def new_key(rsa_bits: int = 0) -> CertificateIssuerPrivateKeyTypes:
    return rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())


def make(
    *hosts: str,
    begins: datetime.timedelta = -DAY,
    ends: datetime.timedelta = 90 * DAY,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    others: Sequence[x509.GeneralName] = (),
) -> Made:
    """A self-signed certificate for these hosts. Times are from now on."""
    key = key or new_key()
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    serial = x509.random_serial_number()
    built = x509.CertificateBuilder(name, name, key.public_key(), serial, now + begins, now + ends)
    if names := [*map(x509.DNSName, hosts), *others]:
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    text = built.sign(key, hashes.SHA256()).public_bytes(PEM).decode()
    kept = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return Made(text, kept, serial)


def trusting_nobody(*protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def shown(port: int, host: str, *protocols: str) -> tuple[x509.Certificate, str | None]:
    """The certificate that a server shows for a name, and the protocol that it agrees to."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        trusting_nobody(*protocols).wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        certificate = x509.load_der_x509_certificate(encrypted.getpeercert(True) or b"")
        return certificate, encrypted.selected_alpn_protocol()
