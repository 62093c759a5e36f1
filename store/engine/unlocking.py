"""Whether the keys that a process was given fit to its database, looked at before anything is served.

The index key, with which HMACs are made, is random and stays the same for the life of the database. It is stored once
for each key of the ring that values may be sealed with, sealed by that key; so it also tells a wrong key.
"""

import os

from sqlalchemy import Connection, delete, insert, select, text, update

from core.crypto import KEY_BYTES, KeyRing, Random
from core.errors import DoesNotOpen, WrongKeys
from models import asking, conversations, encryption_keys, grok_calls, switches
from store.engine.neighbours import PRESENCE_LOCK
from store.engine.vault import TURNING, Vault, is_turning

NO_KEY = "DATA_ENCRYPTION_KEY: the database is encrypted; set the key it was encrypted with (id {ids})"
LOST = "DATA_ENCRYPTION_KEY: lacks the key {id} that the database was encrypted with; nothing can be read without it"
STILL_PLAIN = (
    "DATA_ENCRYPTION_KEY: the database is still plain; stop the service and run `python -m database encrypt`,"
    " or start with --while-plain and run it beside the service"
)
OTHERS = "DATA_ENCRYPTION_KEY: other processes serve this database without the key; stop them first"
# As in the migrations: FTS5's own command, because deleting an entry needs the words that it was added with.
EMPTY_ON_SQLITE = "INSERT INTO search (search) VALUES ('delete-all')"
EMPTY_ON_POSTGRESQL = "TRUNCATE search"


def unlock(connection: Connection, vault: Vault, *, while_plain: bool) -> None:
    """Unlock the vault with its ring, in the transaction that has migrated the schema.

    An empty database with a key is encrypted from here on; one with plain values only if `while_plain` says so.
    Raises WrongKeys.
    """
    rows = connection.execute(select(encryption_keys).order_by(encryption_keys.c.id)).all()
    known = {row.id: row.index_key for row in rows}
    if vault.ring is None:
        if known:
            raise WrongKeys(NO_KEY.format(ids=", ".join(known)))
    elif known:
        _open(connection, vault, vault.ring, known)
    else:
        is_new = _is_empty(connection)
        if not (is_new or while_plain):
            raise WrongKeys(STILL_PLAIN)
        _begin(connection, vault, vault.ring, is_new=is_new)


def _open(connection: Connection, vault: Vault, ring: KeyRing, known: dict[str, str]) -> None:
    for id_ in known:
        if id_ not in ring.ids:
            raise WrongKeys(LOST.format(id=id_))
    try:
        [index_key] = {bytes.fromhex(ring.open(sealed, _place(id_))) for id_, sealed in known.items()}
    except (DoesNotOpen, ValueError):
        raise WrongKeys("DATA_ENCRYPTION_KEY: the table encryption_keys was changed") from None
    if ring.ids[0] not in known:
        store_key(connection, ring, index_key)
    vault.unlock(index_key, is_turning=is_turning(connection))


def _begin(
    connection: Connection, vault: Vault, ring: KeyRing, *, is_new: bool, random: Random = os.urandom
) -> None:
    """Make the index key. Where there are plain values, note that they have to be turned over."""
    _refuse_others(connection)
    index_key = random(KEY_BYTES)
    store_key(connection, ring, index_key)
    if not is_new:
        connection.execute(insert(switches).values(name=TURNING, is_on=True))
        _forget_plain_words(connection)
    vault.unlock(index_key, is_turning=not is_new)


def _forget_plain_words(connection: Connection) -> None:
    """Empty the search index and what refers to texts by hashes: the service fills the index with HMACs again."""
    on_sqlite = connection.dialect.name == "sqlite"
    connection.execute(text(EMPTY_ON_SQLITE if on_sqlite else EMPTY_ON_POSTGRESQL))
    c = conversations.c
    connection.execute(update(conversations).where(c.indexed > 0).values(indexed=0))
    connection.execute(delete(asking))
    waiting = update(conversations).where(c.waits_for.is_not(None))
    connection.execute(waiting.values(waits_for=None, run_at=c.received_at))


def _refuse_others(connection: Connection) -> None:
    """On SQLite the lock file has seen to it."""
    if connection.dialect.name == "postgresql":
        alone = text("SELECT pg_try_advisory_xact_lock(:lock)").bindparams(lock=PRESENCE_LOCK)
        if not connection.scalar(alone):
            raise WrongKeys(OTHERS)


def store_key(connection: Connection, ring: KeyRing, index_key: bytes) -> None:
    """Store the index key sealed by the ring's first key: values may be sealed with that key from then on."""
    sealed = ring.seal(index_key.hex(), _place(ring.ids[0]))
    connection.execute(insert(encryption_keys).values(id=ring.ids[0], index_key=sealed))


def _place(id_: str) -> str:
    return f"encryption_keys.index_key|{id_}"


def _is_empty(connection: Connection) -> bool:
    tables = (conversations.c.number, grok_calls.c.number)
    return all(connection.scalar(select(number).limit(1)) is None for number in tables)
