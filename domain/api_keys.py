"""The form of an API key: `ipk_`, an id, `_`, a secret of 256 bits, and a check sum.

The check sum tells a mistyped key from a wrong one without the database, and lets scanners of published code find
keys. `_` does not end a word when a key is double-clicked; `-` would.
"""

import hashlib
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

PREFIX = "ipk"
FORM = re.compile(r"ipk_([0-9a-f]{12})_([0-9a-f]{64})([0-9a-f]{8})", re.ASCII)
LENGTH = 89
"""Characters of a key."""


class ApiKey(NamedTuple):
    """A key as its holder has it."""

    id: str
    text: str

    @property
    def digest(self) -> bytes:
        """What is stored of it: SHA-256. 256 random bits need no slow hash."""
        return hashlib.sha256(self.text.encode()).digest()


def new_key(random_hex: Callable[[int], str]) -> ApiKey:
    """A new key; `random_hex` gives so many random bytes in hexadecimal."""
    id_ = random_hex(6)
    body = f"{PREFIX}_{id_}_{random_hex(32)}"
    return ApiKey(id_, body + check_sum(body))


def check_sum(body: str) -> str:
    """The last eight characters of a key: CRC-32 of the others, in hexadecimal."""
    return f"{zlib.crc32(body.encode()):08x}"


def parse_key(text: str) -> ApiKey | None:
    """The key; None if it does not have the form or its check sum is wrong."""
    match = FORM.fullmatch(text)
    if match is None or check_sum(text[:-8]) != match[3]:
        return None
    return ApiKey(match[1], text)
