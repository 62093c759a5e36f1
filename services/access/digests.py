"""What is stored of a random text of 256 bits, such as a ticket: whoever reads the database cannot use it."""

import hashlib

BYTES = 32
"""Random bytes of such a text."""


def digest_of(text: str) -> bytes:
    """SHA-256. So many random bits need no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
