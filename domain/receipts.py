"""Receipts of erasures: what was erased, when, and who asked for it, signed, and without anything of its content."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from core.secret_ring import PurposeKey

PURPOSE = "receipts"
SIGNED, UNSIGNED = "HMAC-SHA256", "none"
FIELDS = frozenset({"id", "counts", "at", "by", "algorithm", "key", "signature"})
KEPT = "provider_keeps_until"
"""A field that receipts of before it do not have."""
Receipt = Mapping[str, Any]


class Check(NamedTuple):
    """What can be said of a receipt by itself."""

    is_signed: bool
    is_known: bool
    """Whether the secret that it names is listed."""
    is_genuine: bool
    """Whether the signature is that secret's."""


def person_hash(person: str, key: PurposeKey | None) -> str:
    """A person's id in a form that nobody can read: with a key, nobody can find it by trying ids either."""
    said = b"person\0" + person.encode("utf-8", "surrogatepass")
    if key is None:
        return "sha256:" + hashlib.sha256(said).hexdigest()
    return "hmac-sha256:" + hmac.digest(key.key, said, hashlib.sha256).hex()


def receipt(
    person: str, counts: Mapping[str, int], at: str, by: str, key: PurposeKey | None, kept: str | None = None
) -> Receipt:
    """A receipt, signed with the key; without one it says that it is not signed.

    `kept` is until when the provider keeps what it was sent in batches, which nobody can delete there.
    """
    fields = {
        "id": person_hash(person, key),
        "counts": dict(counts),
        "at": at,
        "by": by,
        KEPT: kept,
        "algorithm": UNSIGNED if key is None else SIGNED,
        "key": None if key is None else key.id,
    }
    return {**fields, "signature": None if key is None else _signature(fields, key)}


def check_signature(given: Receipt, keys: Iterable[PurposeKey]) -> Check:
    """Check the signature with the key that the receipt names. Raises ValueError if it is no receipt."""
    if (
        not isinstance(given, dict)
        or {*given} - {KEPT} != FIELDS
        or not isinstance(given["signature"], str | None)
    ):
        raise ValueError("this is no receipt of an erasure")
    if given["algorithm"] == UNSIGNED:
        return Check(is_signed=False, is_known=False, is_genuine=False)
    key = next((each for each in keys if each.id == given["key"]), None)
    if key is None or given["algorithm"] != SIGNED:
        return Check(is_signed=True, is_known=False, is_genuine=False)
    genuine = hmac.compare_digest(_signature(given, key), given["signature"] or "")
    return Check(is_signed=True, is_known=True, is_genuine=genuine)


def is_about(given: Receipt, person: str, keys: Iterable[PurposeKey]) -> bool:
    """Whether a receipt is about this person."""
    key = next((each for each in keys if each.id == given["key"]), None)
    return bool(given["id"] == person_hash(person, key))


def digest(given: Receipt) -> str:
    """The SHA-256 of a receipt in hexadecimal, which the audit log keeps."""
    return hashlib.sha256(canonical(given)).hexdigest()


def canonical(fields: Receipt) -> bytes:
    """The one form of a document: sorted, without spaces, in ASCII."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _signature(fields: Receipt, key: PurposeKey) -> str:
    signed = {name: value for name, value in fields.items() if name != "signature"}
    return hmac.digest(key.key, canonical(signed), hashlib.sha256).hex()


def audit_target(given: Receipt) -> str:
    """How the audit log names an erasure: whom it was about, and the receipt."""
    return f"{given['id']} receipt:{digest(given)}"
