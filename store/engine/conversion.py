"""Seals stored values anew in small steps, beside a running service: plain ones, and those of an older key.

Each value says whether it is done, so an interrupted run begins at the front again and skips what it has done.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select, tuple_, update

from core.errors import DoesNotOpen
from models import (
    conversations,
    corrections,
    erasures,
    grok_calls,
    insight_metadata,
    insight_versions,
    insights,
    jobs,
    messages,
    participants,
    people,
    provider_states,
    summaries,
    summary_parts,
    topic_proposals,
    webhook_deliveries,
    webhooks,
)
from store.engine.vault import AUTHOR, SEALED_AUTHOR, Vault, at, hash_columns, sealed_columns, vault_of

KEYS: Mapping[Table, tuple[str, ...]] = {
    conversations: ("number",),
    messages: ("conversation", "position"),
    # Not its primary key, whose author changes.
    participants: ("conversation", "position"),
    insights: ("conversation",),
    insight_versions: ("conversation", "number"),
    corrections: ("conversation", "revision"),
    people: ("number",),
    insight_metadata: ("conversation", "key"),
    summaries: ("conversation",),
    summary_parts: ("conversation", "first", "last"),
    grok_calls: ("number",),
    erasures: ("person",),
    jobs: ("number",),
    provider_states: ("provider",),
    topic_proposals: ("number",),
    webhooks: ("number",),
    webhook_deliveries: ("number",),
}
"""The tables with values to seal, each with the columns along which it is walked."""
A_DIGEST = re.compile(r"h1\|[A-Za-z0-9+/]{20}")
"""What stands for a person or a value of metadata that is done."""
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SealedRows:
    """What a step did."""

    last: Place | None
    """Where the next one begins; None if there is no more."""
    rows: int
    """The rows that were looked at."""
    unreadable: int
    """Those among them with a value that does not open; the log names it."""


def count_rows(connection: Connection, table: Table) -> int:
    """The number of rows of a table."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def seal_some(connection: Connection, table: Table, *, after: Place | None, limit: int) -> SealedRows:
    """Seal the next `limit` rows of a table after a place."""
    vault = vault_of(connection)
    rows = _next_rows(connection, table, after, limit)
    renewed: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
    unreadable = 0
    for row in rows:
        try:
            renewed.append((row, _renewed(vault, table, row)))
        except DoesNotOpen:
            unreadable += 1
    _store(connection, table, renewed)
    last = tuple(rows[-1][name] for name in KEYS[table]) if len(rows) == limit else None
    return SealedRows(last, len(rows), unreadable)


def _next_rows(
    connection: Connection, table: Table, after: Place | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    key = [table.c[name] for name in KEYS[table]]
    names = {*KEYS[table], *table.info.get("place", ()), *sealed_columns(table), *hash_columns(table)}
    names |= {column.name for column in table.c if column.info.get("digest")}
    found = select(*(table.c[name] for name in sorted(names))).order_by(*key).limit(limit)
    if after is not None:
        # The first column by itself as well, so that its index is used.
        found = found.where(key[0] >= after[0], tuple_(*key) > after)
    return [dict(row) for row in connection.execute(found.with_for_update()).mappings()]


def _renewed(vault: Vault, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    if table is insight_metadata:
        done = A_DIGEST.fullmatch(row["value"])
        return {} if done else {"value": vault.value(row["key"], row["value"])}
    if table is people:
        done = A_DIGEST.fullmatch(row["author"])
        return {} if done else {"author": vault.author(row["author"])}
    if table is erasures and row["sealed_person"] is None:
        return _sealed_erasure(vault, row["person"])
    return vault.renewed(table, row)


def _sealed_erasure(vault: Vault, person: str) -> dict[str, Any]:
    """An erasure that was begun before anything was encrypted; its key changes with it."""
    digest = vault.author(person)
    return {"person": digest, "sealed_person": vault.seal("erasures.sealed_person", at(digest), person)}


def _store(
    connection: Connection, table: Table, renewed: Sequence[tuple[Mapping[str, Any], dict[str, Any]]]
) -> None:
    if table is participants:
        _drop_twins(connection, [(row, new) for row, new in renewed if AUTHOR in new])
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row, new in renewed:
        if new:
            at = {f"at_{name}": row[name] for name in KEYS[table]}
            alike[tuple(sorted(new))].append(at | {f"new_{name}": value for name, value in new.items()})
    for names, values in alike.items():
        here = (table.c[name] == bindparam(f"at_{name}") for name in KEYS[table])
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        connection.execute(update(table).where(*here).values(changed), values)


def _drop_twins(connection: Connection, renewed: Sequence[tuple[Mapping[str, Any], dict[str, Any]]]) -> None:
    """Delete the rows of authors who have written again since: the one that is being sealed has the first position.

    It takes over the roles of its twin.
    """
    p = participants.c
    for row, new in renewed:
        twin = (p.conversation == row["conversation"], p.author == new[AUTHOR], p[SEALED_AUTHOR].is_not(None))
        for (roles,) in connection.execute(delete(participants).where(*twin).returning(p.roles)).all():
            mine = p.conversation == row["conversation"], p.position == row["position"]
            both = p.roles.bitwise_or(roles)
            connection.execute(update(participants).where(*mine).values(roles=both))
