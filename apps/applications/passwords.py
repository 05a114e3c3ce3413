"""Hashes of passwords that an edge checks itself, as crypt(3) makes them.

HAProxy computes the hash anew for every request, and serves nobody else on that thread meanwhile. So it is SHA-256 with
the fewest rounds that the scheme allows: a fraction of a millisecond. The salt is what keeps tables of guesses useless;
what keeps guessing slow is the password's length.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
import secrets
import string
from typing import Any

SCHEME = "$5$rounds=1000$"
SALT = string.ascii_letters + string.digits
ROOM = 32768  # bytes of libxcrypt's `struct crypt_data`


def hashed(password: str) -> str:
    """The hash of a password under a fresh salt."""
    return _crypt(password, SCHEME + "".join(secrets.choice(SALT) for _ in range(16)))


def matches(password: str, stored: str) -> bool:
    return hmac.compare_digest(_crypt(password, stored), stored)


def _crypt(password: str, setting: str) -> str:
    room = ctypes.create_string_buffer(ROOM)  # zeroed, as it has to be; of this call alone, so threads do not meet
    answer: bytes | None = _library().crypt_r(password.encode(), setting.encode(), room)
    if answer is None or answer.startswith(b"*"):
        raise ValueError("libcrypt takes no such setting")
    return answer.decode()


@functools.cache
def _library() -> Any:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_r.restype = ctypes.c_char_p
    library.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
    return library
