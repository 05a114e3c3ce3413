"""What was uploaded as a certificate: read, checked, and written anew in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.utils.translation import gettext as _

from apps.applications import grammar
from apps.checks import Wrong, text
from apps.errors import Invalid, invalid

LONGEST_CHAIN, LONGEST_KEY = 64 << 10, 16 << 10  # characters
MOST_CERTIFICATES, MOST_NAMES = 10, 100
SMALLEST_RSA = 2048  # bits
CURVES = ("secp256r1", "secp384r1", "secp521r1")
_PEM = serialization.Encoding.PEM
_MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Parsed:
    chain: str  # PEM, the certificate itself first
    key: bytes = field(repr=False)  # PEM, PKCS #8
    names: tuple[str, ...]
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime


def read(certificate: object, key: object, now: datetime) -> Parsed:
    """Check a chain and its key. Raises `Invalid`, about `certificate` or `key`."""
    chain = _chain(_text("certificate", certificate, LONGEST_CHAIN))
    private = _key(_text("key", key, LONGEST_KEY))
    leaf = chain[0]
    if leaf.public_key() != private.public_key():
        raise invalid("key", "key_mismatch", _("This is not the key of the certificate."))
    _check_order(chain)
    _check_times(leaf, now)
    return Parsed(
        chain="".join(each.public_bytes(_PEM).decode() for each in chain),
        key=private.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        names=_names(leaf),
        issuer=_issuer(leaf),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def _text(name: str, value: object, longest: int) -> bytes:
    try:
        return text(value, longest).encode()
    except Wrong as wrong:
        raise invalid(name, wrong.code, str(wrong)) from None


def _chain(text: bytes) -> Sequence[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(text)
        for each in chain:  # much of it is only read when it is asked for
            _ = each.extensions, each.public_key(), each.issuer, each.subject, each.version
            _ = each.not_valid_before_utc, each.not_valid_after_utc
    except _MALFORMED:
        raise _wrong("invalid_pem") from None
    if len(chain) > MOST_CERTIFICATES:
        raise _wrong("too_many")
    return chain


def _wrong(code: str) -> Invalid:
    said = {
        "invalid_pem": _("This is not a certificate in PEM, followed by those of its issuers."),
        "too_many": _("A chain has at most %(most)s certificates.") % {"most": MOST_CERTIFICATES},
        "chain_broken": _("Each certificate has to be followed by that of its issuer."),
        "expired": _("This certificate has expired."),
        "not_yet_valid": _("This certificate is not valid yet."),
        "not_for_servers": _("This certificate is not meant for servers."),
        "no_names": _("This certificate names no host."),
        "too_many_names": _("A certificate names at most %(most)s hosts.") % {"most": MOST_NAMES},
    }
    return invalid("certificate", code, said[code])


def _key(text: bytes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError:
        raise invalid("key", "encrypted_key", _("This key is locked with a password; give it without one.")) from None
    except (ValueError, UnsupportedAlgorithm):
        raise invalid("key", "invalid_pem", _("This is not a private key in PEM.")) from None
    strong = (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= SMALLEST_RSA) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES
    )
    if not strong:
        raise invalid("key", "unsupported_key", _("A key is RSA with 2048 bits or more, or ECDSA on P-256 to P-521."))
    return key  # type: ignore[return-value]


def _check_order(chain: Sequence[x509.Certificate]) -> None:
    for each, issuer in pairwise(chain):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise _wrong("chain_broken") from None


def _check_times(leaf: x509.Certificate, now: datetime) -> None:
    if leaf.not_valid_after_utc <= now:
        raise _wrong("expired")
    if leaf.not_valid_before_utc > now:
        raise _wrong("not_yet_valid")
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses):
        raise _wrong("not_for_servers")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The hosts that it names, as they are on the wire. What else it may name, such as addresses, is left out."""
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise _wrong("no_names") from None
    names = list(dict.fromkeys(named.get_values_for_type(x509.DNSName)))
    if not names:
        raise _wrong("no_names")
    if len(names) > MOST_NAMES:
        raise _wrong("too_many_names")
    try:
        return tuple(dict.fromkeys(map(_name, names)))
    except Wrong as wrong:
        raise invalid("certificate", wrong.code, str(wrong)) from None


def _name(name: str) -> str:
    if name.startswith("*.") and "." in name[2:]:
        return f"*.{grammar.host(name[2:])}"
    return grammar.host(name)


def _issuer(leaf: x509.Certificate) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in leaf.issuer.get_attributes_for_oid(kind):
            # a name's text is its issuer's; the database takes no NUL
            return str(attribute.value).replace("\0", "")[:200]
    return ""


def covers(name: str, host: str) -> bool:
    """Whether a name in a certificate stands for a host; a wildcard for one label."""
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
