"""The audit log: entries that are chained, so that a change or a gap is found.

Each entry's link is an HMAC-SHA256, under a secret of the operator's, over the entry and the link before it. The
newest link also stands in `access_marks`, so that the last entries cannot be taken out unnoticed either.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, insert, select

from core.secret_ring import PurposeKey
from models import audit_entries
from store.access import marks
from store.access.marks import Mark
from store.engine.dialect import as_tuples, insert_rows

INSERT = insert(audit_entries)
UNSIGNED = PurposeKey("", b"insights-platform without a secret")
"""What links are made with while there is no AUTH_SECRET: it finds slips, not forgers."""
_e = audit_entries.c
ERASURE = "person.erase"
"""The action of an entry whose target names a receipt."""
FIELDS = ("at", "actor", "action", "target", "outcome", "client", "request_id")


class AuditEntry(NamedTuple):
    """Who did what to what, when, from where, and how it ended. It holds no content. Time in UTC microseconds."""

    at: int
    actor: str
    action: str
    target: str = ""
    outcome: str = "ok"
    client: str = ""
    request_id: str = ""


class NumberedEntry(NamedTuple):
    """An entry with its place in the log."""

    number: int
    entry: AuditEntry


class AuditFilter(NamedTuple):
    """Which entries to list; None means any. Times in UTC microseconds, the end is exclusive."""

    start: int | None = None
    end: int | None = None
    actor: str | None = None
    action: str | None = None


def append(connection: Connection, entries: Sequence[AuditEntry], key: PurposeKey = UNSIGNED) -> list[Mark]:
    """Append entries in order, and give the number and link of each.

    Waits for others who append until they have committed.
    """
    end = marks.take(connection, marks.AUDIT)
    ends, rows = [], []
    for entry in map(_fitting, entries):
        end = Mark(end.number + 1, link_of(key, end.link, end.number + 1, entry))
        ends.append(end)
        rows.append({"number": end.number, **entry._asdict(), "secret": key.id, "link": end.link})
    insert_rows(connection, INSERT, as_tuples(audit_entries, rows))
    marks.put(connection, marks.AUDIT, end)
    return ends


def _fitting(entry: AuditEntry) -> AuditEntry:
    # Some of it comes from outside, and an entry that does not fit must not be lost.
    lengths = {name: _e[name].type.length for name in FIELDS if name != "at"}  # type: ignore[attr-defined]
    cut = {name: getattr(entry, name).replace("\0", "")[:most] for name, most in lengths.items()}
    return entry._replace(**cut)


def link_of(key: PurposeKey, before: bytes, number: int, entry: AuditEntry) -> bytes:
    """The link of an entry after the link `before`."""
    content = json.dumps([number, *entry]).encode()
    return hmac.digest(key.key, before + content, hashlib.sha256)


def list_entries(
    connection: Connection, chosen: AuditFilter, *, limit: int, before: int | None = None
) -> list[NumberedEntry]:
    """Entries below the number `before`, the newest first."""
    statement = _matching(chosen).order_by(_e.number.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_e.number < before)
    return [NumberedEntry(row.number, AuditEntry(*row[1:])) for row in connection.execute(statement)]


def erasure_entry(connection: Connection, target: str) -> NumberedEntry | None:
    """The first entry about the erasure with this target; None if there is none."""
    statement = _matching(AuditFilter(action=ERASURE)).where(_e.target == target).order_by(_e.number)
    row = connection.execute(statement.limit(1)).one_or_none()
    return None if row is None else NumberedEntry(row.number, AuditEntry(*row[1:]))


def _matching(chosen: AuditFilter) -> Select[Any]:
    statement = select(_e.number, *(_e[name] for name in FIELDS))
    for condition in _conditions(chosen):
        statement = statement.where(condition)
    return statement


def _conditions(chosen: AuditFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.start is not None:
        yield _e.at >= chosen.start
    if chosen.end is not None:
        yield _e.at < chosen.end
    if chosen.actor is not None:
        yield _e.actor == chosen.actor
    if chosen.action is not None:
        yield _e.action == chosen.action
