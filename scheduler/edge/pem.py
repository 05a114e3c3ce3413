"""The border for certificates: what of etcd's text may become a file that HAProxy reads, or reach its socket."""

from __future__ import annotations

import re

from scheduler.edge.grammar import LABEL, LONGEST_HOST, NAME, Refused
from scheduler.tls import Certificate

# no empty line among it: on the socket that would end the certificate, and what follows would be a command
PEM = re.compile(
    r"(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n){1,10}"
    r"-----BEGIN PRIVATE KEY-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END PRIVATE KEY-----\n"
)
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
AUTHORIZATION = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{43}")
LONGEST_PEM = 100_000
MOST_HOSTS = 1000


def is_name(name: str) -> bool:
    """Whether a certificate may be called so: `<group>.<name>`."""
    group, _, own = name.partition(".")
    return bool(NAME.fullmatch(group) and NAME.fullmatch(own))


def check_certificate(name: str, certificate: Certificate) -> None:
    """Raise `Refused` unless all of it may be written."""
    if not is_name(name):
        raise Refused(f"{name[:80]!a} is no certificate's name")
    pem = certificate.pem
    if not isinstance(pem, str) or len(pem) > LONGEST_PEM or not PEM.fullmatch(pem):
        raise Refused("its text is no chain with its key")
    if not 0 < len(certificate.hosts) <= MOST_HOSTS:
        raise Refused(f"{len(certificate.hosts)} hosts")
    for host in certificate.hosts:
        if not isinstance(host, str) or len(host) > LONGEST_HOST or not all(map(LABEL.fullmatch, host.split("."))):
            raise Refused(f"{host!a:.80} is no host's name")
    if type(certificate.https_only) is not bool:
        raise Refused("https_only: is neither true nor false")


def check_challenge(token: str, said: str) -> None:
    """Raise `Refused` unless a request may be answered with it."""
    if not TOKEN.fullmatch(token) or not AUTHORIZATION.fullmatch(said) or said.partition(".")[0] != token:
        raise Refused("not a token with its key authorization")
