"""Secrets that can be rotated while the service runs: the first one signs, all of them verify."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

MIN_LENGTH = 32
"""Characters of a secret; joserfc itself refuses only an empty one."""


class PurposeKey(NamedTuple):
    """A key for one purpose, and an id that tells it from those of the other secrets."""

    id: str
    key: bytes


class SecretRing:
    """The secrets of AUTH_SECRET, from which keys for different purposes are derived.

    A key that leaks is worth nothing for another purpose. Deriving is HMAC-SHA256 of the purpose under the secret.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        """`secrets` in the order of the setting. Raises ValueError if one is too short."""
        if any(len(secret) < MIN_LENGTH for secret in secrets):
            raise ValueError(f"each secret must have at least {MIN_LENGTH} characters")
        self._secrets = [secret.encode() for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def keys(self, purpose: str) -> list[PurposeKey]:
        """The keys for a purpose, one a secret, the one that signs first."""
        return [
            PurposeKey(_derive(each, f"id of {purpose}")[:4].hex(), _derive(each, purpose))
            for each in self._secrets
        ]


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, b"insights-platform " + purpose.encode(), hashlib.sha256)
