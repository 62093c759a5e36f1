"""Whether a receipt of an erasure is genuine: its signature, and the audit log's entry about it."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from core.clock import iso
from core.secret_ring import SecretRing
from database import Database
from domain import receipts
from domain.receipts import PURPOSE, Check, Receipt
from store.access import audit
from store.access.audit import NumberedEntry


class Finding(NamedTuple):
    """What was found of a receipt."""

    check: Check
    entry: NumberedEntry | None
    """The audit log's entry about it."""
    is_about: bool | None
    """Whether it is about the person that was named; None if none was, or nobody can tell."""

    @property
    def holds(self) -> bool:
        """Whether the receipt says the truth, as far as can be known here."""
        forged = self.check.is_known and not self.check.is_genuine
        return self.entry is not None and not forged and self.is_about is not False


async def find(database: Database, secrets: SecretRing, receipt: Receipt, person: str | None) -> Finding:
    """Check a receipt. Raises ValueError if it is none."""
    keys = secrets.keys(PURPOSE)
    checked = receipts.check_signature(receipt, keys)
    entry = await database.read(partial(audit.erasure_entry, target=receipts.audit_target(receipt)))
    # The hash was made with the same secret: without it nothing can be said.
    can_tell = checked.is_known or not checked.is_signed
    about = receipts.is_about(receipt, person, keys) if person is not None and can_tell else None
    return Finding(checked, entry, about)


def receipt_remarks(found: Finding) -> Iterator[str]:
    """What to tell about it, line by line."""
    if not found.check.is_signed:
        yield "The receipt is not signed: there was no AUTH_SECRET when it was made."
    elif not found.check.is_known:
        yield "The receipt is signed under a secret that AUTH_SECRET does not list any more."
    elif found.check.is_genuine:
        yield "The signature is genuine."
    else:
        yield "The signature is wrong: the receipt was changed, or made by somebody else."
    if found.entry is None:
        yield "The audit log has no entry about it."
    else:
        number, entry = found.entry
        yield f"Entry {number} of the audit log is about it: {entry.actor}, {iso(entry.at)}."
    if found.is_about is not None:
        yield "It is about this person." if found.is_about else "It is not about this person."
