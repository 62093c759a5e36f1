"""Keys of senders' metadata that insights can be filtered by: each insight is filed under its values for them.

Filing repeats in `insight_metadata` what the other filters ask for, so that most counts read one index. The keys are
kept in the database, so that whoever stores an insight files it, and a new key is known until all older insights are
filed under it, however often the process starts anew.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from core.errors import DoesNotOpen
from models import conversations, insight_metadata, insights, metadata_keys
from store.engine.dialect import as_tuples, insert_on_conflict, insert_rows
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of

LONGEST = 255
"""Characters of a value by which insights can be found."""

_k, _m = metadata_keys.c, insight_metadata.c
KEYS = Prepared(select(_k.key))
UNFILED = Prepared(select(_k.key).where(_k.filed_through.is_not(None)))
SENT = Prepared(
    select(conversations.c.number, conversations.c.id, conversations.c.metadata).where(
        among(conversations.c.number, "numbers"), conversations.c.metadata.is_not(None)
    )
)
FILED_KEYS = Prepared(
    select(_m.key).where(_m.key > bindparam("key")).order_by(_m.key).limit(bindparam("limit"))
)


def declare(connection: Connection, keys: Collection[str]) -> None:
    """Make these the keys that insights are filed under; what is filed under others is for `unfile`.

    Older insights are filed under a new key by `file_older`.
    """
    known = {key for (key,) in KEYS.rows(connection, {})}
    dropped = sorted(known.difference(keys))
    if dropped:
        connection.execute(delete(metadata_keys).where(_k.key.in_(dropped)))
    new = [{"key": key, "filed_through": 0} for key in sorted(set(keys) - known)]
    if new:
        connection.execute(
            insert_on_conflict(connection.dialect.name, metadata_keys).on_conflict_do_nothing(), new
        )


def unfiled_keys(connection: Connection) -> Sequence[str]:
    """The keys under which some older insights may not be filed yet."""
    return [key for (key,) in UNFILED.rows(connection, {})]


def file(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """File insights (rows of `insights`, which are stored) anew under the values of their conversations' metadata."""
    keys = {key for (key,) in KEYS.rows(connection, {})}
    if not keys:
        return
    by_number = {row["conversation"]: row for row in rows}
    remove(connection, by_number)
    _insert(connection, _entries(connection, by_number, keys))


def remove(connection: Connection, numbers: Collection[int]) -> None:
    """Remove the insights of these conversations."""
    if numbers:
        connection.execute(delete(insight_metadata).where(_m.conversation.in_([*numbers])))


def file_older(connection: Connection, *, limit: int) -> bool:
    """File up to `limit` of the oldest insights under keys that are new; return whether there were any such keys."""
    pending = select(metadata_keys).where(_k.filed_through.is_not(None)).order_by(_k.key).limit(1)
    key = connection.execute(pending.with_for_update()).one_or_none()
    if key is None:
        return False
    i = insights.c
    columns = (i.conversation, i.timestamp, i.sentiment, i.confidence, i.score)
    older = select(*columns).where(i.conversation > key.filed_through).order_by(i.conversation).limit(limit)
    # Locked, so that an insight that is replaced meanwhile is not filed with its old values.
    found = connection.execute(older.with_for_update()).mappings()
    rows = {row["conversation"]: dict(row) for row in found}
    _insert(connection, _entries(connection, rows, {key.key}))
    through = max(rows) if len(rows) == limit else None
    connection.execute(update(metadata_keys).where(_k.key == key.key).values(filed_through=through))
    return True


def unfile(connection: Connection, *, limit: int) -> bool:
    """Remove up to `limit` insights from a key that is not declared any more; return whether there was any."""
    known = {key for (key,) in KEYS.rows(connection, {})}
    key = next((key for key in _filed_keys(connection) if key not in known), None)
    if key is None:
        return False
    some = select(_m.conversation, _m.key).where(_m.key == key).limit(limit)
    connection.execute(delete(insight_metadata).where(tuple_(_m.conversation, _m.key).in_(some)))
    return True


def _filed_keys(connection: Connection) -> Iterator[str]:
    """The keys that insights are filed under; a lookup each."""
    key = ""
    while rows := FILED_KEYS.rows(connection, {"key": key, "limit": 1}):
        key = rows[0][0]
        yield key


def values_of(metadata: str, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """The values of these keys in a conversation's metadata (JSON) by which it can be found.

    A text stands for itself; a number, true and false as in JSON. Lists, objects, null and longer texts are left out.
    """
    for key, value in from_json(metadata).items():
        if key in keys and isinstance(value, str | int | float):
            text = value if isinstance(value, str) else to_json(value).decode()
            if len(text) <= LONGEST and "\0" not in text:
                yield key, text


def _sent(connection: Connection, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
    """The metadata of these conversations; what does not open is left out."""
    vault = vault_of(connection)
    for number, id_, stored in SENT.rows(connection, {"numbers": [*numbers]}):
        with suppress(DoesNotOpen):
            yield number, vault.open("conversations.metadata", id_, stored)


def _entries(
    connection: Connection, rows: Mapping[int, Mapping[str, Any]], keys: Collection[str]
) -> list[dict[str, Any]]:
    vault = vault_of(connection)
    sent = _sent(connection, rows)
    return [
        {
            "conversation": number,
            "key": key,
            "value": vault.value(key, value),
            **{name: rows[number][name] for name in ("timestamp", "sentiment", "confidence", "score")},
        }
        for number, metadata in sent
        for key, value in values_of(metadata, keys)
    ]


def _insert(connection: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
    new = insert_on_conflict(connection.dialect.name, insight_metadata)
    values = {c.name: new.excluded[c.name] for c in insight_metadata.c if not c.primary_key}
    statement = new.on_conflict_do_update(index_elements=list(insight_metadata.primary_key), set_=values)
    insert_rows(connection, statement, as_tuples(insight_metadata, entries))
