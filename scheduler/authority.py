"""A certificate authority that speaks ACME (RFC 8555). The one module that imports `acme`.

AuthorityError  it does not do as it is asked; says why in its own words. Whether it would later is not for us to
                tell: the caller tries again, ever more seldom
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import josepy
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKRSA

PATIENCE = timedelta(seconds=90)  # for its checks, and again for the certificate
ANSWER = 30  # seconds for any answer
USER_AGENT = "Berth"
NONCES = 5  # how often a request is made again whose nonce the authority no longer takes


class AuthorityError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that waits for its challenges to be answered."""

    answers: Mapping[str, str]  # token -> key authorization
    order: messages.OrderResource
    pending: Sequence[messages.ChallengeBody]


class _Network(client.ClientNetwork):
    """The library's, which takes two refused nonces in a row for a refusal of the request.

    To refuse one says nothing of the request: the authority gives a new one with it (RFC 8555, 6.5), and a busy one
    that runs on many machines may refuse several.
    """

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class Authority:
    """One authority and who we are to it. Every call raises `AuthorityError`."""

    def __init__(self, directory: str, ca_file: str = "", account: tuple[bytes, str] | None = None) -> None:
        """`ca_file`: what the authority's own certificate is checked against; empty: the usual ones. `account`: key
        and address as `register` returned them."""
        self._url = directory
        self._key = account[0] if account else new_key(rsa.generate_private_key(65537, 2048))
        self._jwk = JWKRSA(key=serialization.load_pem_private_key(self._key, None))
        self._net = _Network(self._jwk, user_agent=USER_AGENT, timeout=ANSWER)
        if ca_file:
            self._net.verify_ssl = ca_file  # type: ignore[assignment] # it is handed on to requests
        if account:
            body = messages.Registration()
            self._net.account = messages.RegistrationResource(uri=account[1], body=body)
        self._client: client.ClientV2 | None = None

    def register(self, email: str) -> tuple[bytes, str]:
        """Make an account, with which its terms are accepted; returns its key and address."""
        with _said():
            wanted = messages.NewRegistration.from_data(email=email or None, terms_of_service_agreed=True)
            made = self._connected().new_account(wanted)
            return self._key, str(made.uri)

    def order(self, hosts: Sequence[str], key: bytes) -> Ordered:
        """Ask for a certificate of `key` for these hosts."""
        with _said():
            order = self._connected().new_order(crypto_util.make_csr(key, list(hosts)))
            pending = [self._http(each) for each in order.authorizations if each.body.status != messages.STATUS_VALID]
            answers = {body.chall.encode("token"): body.chall.validation(self._jwk) for body in pending}
            return Ordered(answers, order, pending)

    def finish(self, ordered: Ordered) -> str:
        """Have the challenges checked and fetch the chain (PEM). Takes minutes at most."""
        with _said():
            berth = self._connected()
            for body in ordered.pending:
                berth.answer_challenge(body, body.chall.response(self._jwk))
            # the library reckons in local time without a zone
            order = berth.poll_authorizations(ordered.order, datetime.now() + PATIENCE)  # noqa: DTZ005
            order = berth.finalize_order(order, datetime.now() + PATIENCE)  # noqa: DTZ005
            return str(order.fullchain_pem)

    def _http(self, authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
        for body in authorization.body.challenges:
            if isinstance(body.chall, challenges.HTTP01):
                return body
        raise AuthorityError(f"{authorization.body.identifier.value}: the authority does not check it by http-01")

    def _connected(self) -> client.ClientV2:
        if self._client is None:
            self._client = client.ClientV2(client.ClientV2.get_directory(self._url, self._net), self._net)
        return self._client


def new_key(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """A private key as PEM; one on P-256 unless it is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)


@contextmanager
def _said() -> Iterator[None]:
    """What the library raises, as one error with what the authority said."""
    try:
        yield
    except errors.ValidationError as error:
        raise AuthorityError("; ".join(_failures(error))) from error
    except errors.IssuanceError as error:
        raise AuthorityError(_words(error.error)) from error
    except errors.TimeoutError as error:
        raise AuthorityError("the authority has not come to an end in time") from error
    except messages.Error as error:
        raise AuthorityError(_words(error)) from error
    except (errors.Error, josepy.errors.Error) as error:
        raise AuthorityError(f"the authority was not understood: {error!r}") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise AuthorityError(f"the authority does not answer: {error}") from error


def _failures(error: errors.ValidationError) -> Iterator[str]:
    for authorization in error.failed_authzrs:
        for body in authorization.body.challenges:
            if body.error is not None:
                yield f"{authorization.body.identifier.value}: {_words(body.error)}"


def _words(error: messages.Error) -> str:
    return str(error.detail or error.title or error.typ)
