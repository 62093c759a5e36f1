"""Whether the audit log is whole: every link is made again and compared."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from core.secret_ring import PurposeKey
from models import audit_entries
from store.access import marks
from store.access.audit import FIELDS, UNSIGNED, AuditEntry, link_of
from store.access.marks import Mark

AT_ONCE = 1_000
_e = audit_entries.c


class Verdict(NamedTuple):
    """What `verify` found."""

    entries: int = 0
    """Entries that were read, from the first, before a fault if there is one."""
    end: Mark = Mark(0, marks.START)
    """Number and link of the last of them, to compare with what was kept elsewhere."""
    unverifiable: int = 0
    """Entries whose secret is no longer listed: no more is known than that they are numbered without a gap."""
    unsigned: int = 0
    """Entries that were made while there was no secret."""
    fault: str | None = None
    """Where the chain breaks first, and how."""


def verify(
    connection: Connection, keys: Iterable[PurposeKey], kept: tuple[int, str] | None = None
) -> Verdict:
    """Make every link again, under the key that it names; `keys` are those of all secrets that are listed.

    `kept` is the number of an entry and its link in hexadecimal, from a log line that the database could not change.
    """
    known = {key.id: key for key in (*keys, UNSIGNED)}
    found = Verdict()
    for row in _all_entries(connection):
        fault = _fault(row, found, known) or _differs(row, kept)
        if fault is not None:
            return found._replace(fault=fault)
        found = _with(row, found, known)
    if kept is not None and kept[0] > found.entries:
        return found._replace(fault=f"entry {kept[0]} is missing, and all after entry {found.entries}")
    written = marks.get(connection, marks.AUDIT)
    if written != found.end:
        return found._replace(
            fault=f"the log ends at entry {found.entries}, but {written.number} were written"
        )
    return found


def _differs(row: Row[Any], kept: tuple[int, str] | None) -> str | None:
    if kept is None or row.number != kept[0] or row.link.hex() == kept[1].lower():
        return None
    return f"entry {row.number} is not the one that the log line is about: the log was written anew"


def remarks(found: Verdict) -> Iterator[str]:
    """What there is to say of it, a line each."""
    if found.fault:
        yield f"The audit log is not whole: {found.fault}."
    else:
        yield f"The audit log is whole: {found.entries:,} entries."
    if found.entries:
        yield f"The last that is good: entry {found.end.number}, link {found.end.link.hex()}"
    if found.unsigned:
        yield f"{found.unsigned:,} were made without AUTH_SECRET: whoever can write the database can forge them."
    if found.unverifiable:
        yield f"{found.unverifiable:,} were made with a secret that AUTH_SECRET does not list any more: not checked."


def _fault(row: Row[Any], before: Verdict, known: Mapping[str, PurposeKey]) -> str | None:
    if row.number != before.end.number + 1:
        return f"entry {before.end.number + 1} is missing"
    if row.secret == UNSIGNED.id and before.entries > before.unsigned:
        return f"entry {row.number} was made without a secret, after one that was made with one"
    key = known.get(row.secret)
    entry = AuditEntry(*(getattr(row, name) for name in FIELDS))
    if key is not None and row.link != link_of(key, before.end.link, row.number, entry):
        return f"entry {row.number} was changed, or the one before it"
    return None


def _with(row: Row[Any], before: Verdict, known: Mapping[str, PurposeKey]) -> Verdict:
    return Verdict(
        entries=before.entries + 1,
        end=Mark(row.number, row.link),
        unverifiable=before.unverifiable + (row.secret not in known),
        unsigned=before.unsigned + (row.secret == UNSIGNED.id),
    )


def _all_entries(connection: Connection) -> Iterator[Row[Any]]:
    following = select(audit_entries).order_by(_e.number).limit(AT_ONCE)
    last = 0
    while rows := connection.execute(following.where(_e.number > last)).all():
        yield from rows
        last = rows[-1].number
