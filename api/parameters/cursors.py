"""Cursors: what leads to the next page of a list, as one opaque word."""

import base64
import hashlib
from typing import TypeVar

from pydantic import BaseModel

Content = TypeVar("Content", bound=BaseModel)
CHECK_BYTES = 6


def to_word(content: BaseModel) -> str:
    """The cursor as clients see it: base64 of a checksum and JSON."""
    written = content.model_dump_json().encode()
    return base64.urlsafe_b64encode(_check(written) + written).rstrip(b"=").decode()


def from_word(word: object, kind: type[Content], source: str) -> Content:
    """The inverse of `to_word`. Raises ValueError, which names where cursors come from, for anything else."""
    try:
        sealed = base64.b64decode(str(word) + "=" * (-len(str(word)) % 4), altchars=b"-_", validate=True)
        content = sealed[CHECK_BYTES:]
        if sealed[:CHECK_BYTES] != _check(content):
            raise ValueError
        return kind.model_validate_json(content)
    except ValueError:
        raise ValueError(f"must be a value of {source}") from None


def _check(content: bytes) -> bytes:
    # Detects a cursor that was cut or mangled. Forging one gains nothing: it only selects other entries.
    return hashlib.blake2b(content, digest_size=CHECK_BYTES).digest()
