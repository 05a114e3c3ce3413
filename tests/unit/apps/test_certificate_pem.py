"""Whatever is uploaded as a certificate is taken or refused; nothing else comes of it."""

from __future__ import annotations

import base64
import random
import warnings
from collections import Counter
from datetime import UTC, datetime

from apps.certificates import pem
from apps.errors import Invalid
from tests.certificates import make


def _spoiled(text: str, rng: random.Random) -> str:
    """The same PEM with some bytes of what it holds changed."""
    first, *lines, last = text.splitlines()
    content = bytearray(base64.b64decode("".join(lines)))
    for _ in range(rng.randint(1, 3)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return f"{first}\n{base64.encodebytes(bytes(content)).decode()}{last}\n"


def test_a_spoiled_certificate_or_key_is_refused_in_the_right_way() -> None:
    made, rng, now = make("shop.test", "*.shop.test"), random.Random(5), datetime.now(UTC)
    codes: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial numbers that will be refused by a later release of the library
        for number in range(2000):
            spoils_key = number % 2
            certificate = made.certificate if spoils_key else _spoiled(made.certificate, rng)
            try:
                pem.read(certificate, _spoiled(made.key, rng) if spoils_key else made.key, now)
            except Invalid as refused:
                codes[refused.errors[0].code] += 1
    assert codes["invalid_pem"] > 100
    assert {error for error in codes if " " in error} == set()
