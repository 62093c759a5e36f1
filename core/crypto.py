"""Encryption at rest: the key ring that seals and opens values, and the HMACs by which they are found.

A sealed value is `v1|key id|nonce and ciphertext in base64`: AES-256-GCM with a random nonce of 12 bytes. Its place, a
table, a column and a row, is authenticated with it, so a value that was moved does not open.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Sequence
from functools import lru_cache
from hmac import digest
from typing import TYPE_CHECKING

from core.errors import DoesNotOpen

# `cryptography` is imported where it is used: it takes 14 MB and 0.1 s, and most processes have no key.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Random = Callable[[int], bytes]
MARK = "v1|"
"""What every sealed value begins with."""
DIGEST_MARK = "h1|"
"""What every digest that replaces a text begins with."""
KEYED = b"\x01"
"""What every digest of bytes begins with."""
KEY_BYTES, NONCE_BYTES, KEY_ID_BYTES = 32, 12, 4
TEXT_BYTES = 15
"""Of an author's HMAC, so that the index of authors stays small: 20 characters in base64."""
TERM_BYTES = 10
"""Of a search word's HMAC: two of ten million words are the same with a probability of 1 to 24 billion."""
TERMS = 65_536
"""Search words whose HMACs are kept in memory: most words are common, and an HMAC takes 5 to 20 us."""


def is_digest(stored: str) -> bool:
    """Whether a stored text looks like a digest."""
    return stored.startswith(DIGEST_MARK)


class KeyRing:
    """Keys of 32 bytes: the first seals, all of them open."""

    def __init__(self, keys: Sequence[bytes], random: Random = os.urandom) -> None:
        """Raises ValueError if there is no key, if one has another length, or if one is there twice."""
        if not keys:
            raise ValueError("has no key")
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"every key must have {KEY_BYTES} bytes, in base64")
        if len(set(keys)) < len(keys):
            raise ValueError("has the same key twice")
        # One object a key: making it takes as long as encrypting.
        self._ciphers = {_key_id(key): _cipher(key) for key in keys}
        self._unreadable = (_invalid_tag(), BadBase64, ValueError)
        self._random = random
        self.ids = tuple(self._ciphers)
        """The ids of the keys, which tell nothing about them."""
        self._prefix = f"{MARK}{self.ids[0]}|"
        self._first = self._ciphers[self.ids[0]]

    def seal(self, text: str, place: str) -> str:
        """Encrypt a text with the first key."""
        nonce = self._random(NONCE_BYTES)
        sealed = self._first.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
        return self._prefix + b64encode(nonce + sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """Decrypt a value. Raises DoesNotOpen if it is not of this place, was changed, or needs another key."""
        mark, _, rest = sealed.partition("|")
        key, _, body = rest.partition("|")
        cipher = self._ciphers.get(key)
        if f"{mark}|" != MARK or cipher is None:
            raise DoesNotOpen(place)
        try:
            raw = b64decode(body, validate=True)
            text = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode())
        except self._unreadable:
            raise DoesNotOpen(place) from None
        return text.decode("utf-8", "surrogatepass")

    def is_newest(self, stored: str) -> bool:
        """Whether a stored value says that the first key sealed it."""
        return stored.startswith(self._prefix)


class Digests:
    """HMACs with keys that are derived from the index key, a different one for each purpose."""

    def __init__(self, index_key: bytes) -> None:
        self._texts = {purpose: _derived(index_key, purpose) for purpose in ("author", "metadata")}
        self._bytes, self._words = _derived(index_key, "hash"), _derived(index_key, "word")
        self.term = lru_cache(TERMS)(self._term)
        """The HMAC of a search word, in hexadecimal, which a full-text index takes for one word."""

    def of_text(self, purpose: str, text: str) -> str:
        """The HMAC of an author or of a value of metadata."""
        whole = digest(self._texts[purpose], text.encode("utf-8", "surrogatepass"), "sha256")
        return DIGEST_MARK + b64encode(whole[:TEXT_BYTES]).decode()

    def bytes(self, known: bytes) -> bytes:
        """The HMAC of a hash; of one that is an HMAC already, itself."""
        return known if is_keyed(known) else KEYED + digest(self._bytes, known, "sha256")

    def _term(self, word: str) -> str:
        return digest(self._words, word.encode("utf-8", "surrogatepass"), "sha256")[:TERM_BYTES].hex()


def is_keyed(known: bytes) -> bool:
    """Whether a stored hash is an HMAC: it has one byte more than a plain one."""
    return len(known) == len(KEYED) + 32


def parsed_ring(text: str, random: Random = os.urandom) -> KeyRing:
    """The key ring of a setting: keys in base64, separated by commas. Raises ValueError, which repeats no value."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        keys = [b64decode(part, validate=True) for part in parts]
    except (BadBase64, ValueError):
        raise ValueError("is not base64; `openssl rand -base64 32` makes a key") from None
    return KeyRing(keys, random)


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


def _derived(key: bytes, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"insights-platform {purpose}".encode()).derive(key)


def _key_id(key: bytes) -> str:
    return _derived(key, "key id")[:KEY_ID_BYTES].hex()
