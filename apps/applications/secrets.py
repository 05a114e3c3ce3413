"""Secrets at rest, above all the values of environments: encrypted under keys of their own.

`settings.BERTH_ENV_KEYS` holds Fernet keys, newest first. Everything is written with the first and read with any, so a
key is rotated by putting a new one in front, running `manage.py rotate_env_keys`, and dropping the old one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MASK = "********"  # shown in the place of every value


class Undecryptable(Exception):
    """None of the keys in `BERTH_ENV_KEYS` opens this."""


def encrypt(env: Mapping[str, str]) -> bytes:
    """The environment under the newest key."""
    return encrypt_bytes(_canonical(env))


def decrypt(stored: bytes | memoryview) -> dict[str, str]:
    """The environment that `encrypt` was given. Raises `Undecryptable`."""
    env: dict[str, str] = json.loads(decrypt_bytes(stored))
    return env


def encrypt_bytes(content: bytes) -> bytes:
    """Anything else that is as secret as an environment."""
    return _fernet().encrypt(content)


def decrypt_bytes(stored: bytes | memoryview) -> bytes:
    """What `encrypt_bytes` was given. Raises `Undecryptable`."""
    try:
        return _fernet().decrypt(bytes(stored))  # PostgreSQL hands out memoryviews
    except InvalidToken:
        raise Undecryptable from None


def rotate(stored: bytes | memoryview) -> bytes:
    """The same content under the newest key. Raises `Undecryptable`."""
    try:
        return _fernet().rotate(bytes(stored))
    except InvalidToken:
        raise Undecryptable from None


def fingerprint(env: Mapping[str, str]) -> str:
    """Equal for equal environments, and telling nothing about them to whoever lacks the key.

    Keyed by the secret key and not by those of the environment: a rotation of these must not make every container
    look outdated.
    """
    key = b"berth.env.fingerprint:" + settings.SECRET_KEY.encode()
    return hmac.new(key, _canonical(env), hashlib.sha256).hexdigest()


def cookie_key(app: int, template: str) -> str:
    """What the cookies that tie clients to instances of an app are made with: the same at every edge and reload.

    `template`: which instances have the traffic, where it moves from some to others at once; with another one no
    client's cookie counts any more. Empty where an instance goes one by one.
    """
    key = b"berth.cookie:" + settings.SECRET_KEY.encode()
    return hmac.new(key, f"{app} {template}".rstrip().encode(), hashlib.sha256).hexdigest()[:32]


def masked(env: Mapping[str, str]) -> dict[str, str]:
    """The names with a mask for every value: all that is ever shown."""
    return dict.fromkeys(sorted(env), MASK)


def _canonical(env: Mapping[str, str]) -> bytes:
    return json.dumps(dict(env), sort_keys=True, separators=(",", ":")).encode()


def _fernet() -> MultiFernet:
    if not settings.BERTH_ENV_KEYS:
        raise ImproperlyConfigured("BERTH_ENV_KEYS is empty: environment values cannot be encrypted")
    return MultiFernet([Fernet(key) for key in settings.BERTH_ENV_KEYS])
