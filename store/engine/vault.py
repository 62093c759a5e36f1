"""The one place where what the database keeps is sealed and opened: texts, authors, answers and what they quote.

Each connection has the vault of its database. Without a key everything is stored as it is. What is sealed, and with
which columns of its row, is declared in `models.py`.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Connection, Table, select

from core.crypto import MARK, Digests, KeyRing
from core.errors import DoesNotOpen
from models import switches

log = structlog.get_logger()

AUTHOR, SEALED_AUTHOR = "author", "sealed_author"
TURNING = "encrypting"
"""The switch that is there while plain values are being turned over."""
OPTION = "vault"
"""The execution option under which an engine carries its vault."""
SEALED_PER_CHARACTER, SEALED_BESIDES = 6, 80
"""A text of n characters is sealed in at most 6 n + 80: up to 4 bytes a character, in base64, with mark and key id."""


class Vault:
    """Seals and opens values, and makes the HMACs by which they are found. It is locked, and does nothing, at first."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        self.ring = ring
        self.is_turning = False
        """Whether plain values are still being turned over, so that what does not open may be one of them."""
        self._digests: Digests | None = None

    @property
    def is_sealing(self) -> bool:
        """Whether values are sealed."""
        return self._digests is not None

    def unlock(self, index_key: bytes, *, is_turning: bool) -> None:
        """Seal from now on."""
        self._digests, self.is_turning = Digests(index_key), is_turning

    def seal(self, column: str, place: str, text: str | None) -> str | None:
        """The text as it is stored in a column (`table.column`) of a row (its `place`)."""
        if self._digests is None or self.ring is None or text is None:
            return text
        return self.ring.seal(text, f"{column}|{place}")

    def seal_author(self, table: Table, place: str, name: str | None) -> str | None:
        """The name of an author as it is stored beside its HMAC; None if it is stored as it is."""
        return self.seal(f"{table.name}.{SEALED_AUTHOR}", place, name) if self.is_sealing else None

    def open_author(self, table: Table, place: str, author: str | None, sealed: str | None) -> str | None:
        """The name of an author from the two columns in which it is stored. Raises DoesNotOpen."""
        if not self.is_sealing or (self.is_turning and sealed is None):
            return author
        name: str | None = self.open(f"{table.name}.{SEALED_AUTHOR}", place, sealed)
        return name

    def open(self, column: str, place: str, stored: Any) -> Any:
        """The text of a stored value. Raises DoesNotOpen."""
        if self._digests is None or self.ring is None or stored is None:
            return stored
        try:
            return self.ring.open(stored, f"{column}|{place}")
        except DoesNotOpen:
            # A plain text may begin like a sealed one; no sealed one can be forged.
            if self.is_turning:
                return stored
            table, _, name = column.partition(".")
            log.error("value_does_not_open", table=table, column=name, id=place)
            raise

    def author(self, name: str | None) -> str | None:
        """What stands for an author in a column that is compared."""
        return self._digested(AUTHOR, name)

    def authors(self, name: str) -> tuple[str, ...]:
        """All that may stand for an author in a column that is compared."""
        if self._digests is None:
            return (name,)
        digest = self._digests.of_text(AUTHOR, name)
        return (name, digest) if self.is_turning else (digest,)

    def value(self, key: str, value: str) -> str:
        """What stands for a value of metadata under a key."""
        return value if self._digests is None else self._digests.of_text("metadata", f"{key}\0{value}")

    def hash(self, known: bytes | None) -> bytes | None:
        """What stands for the hash of a text."""
        return known if self._digests is None or known is None else self._digests.bytes(known)

    def key(self, known: bytes) -> bytes:
        """What stands for the key of a text in the cache."""
        return known if self._digests is None else self._digests.bytes(known)

    @property
    def term(self) -> Callable[[str], str] | None:
        """What stands for a search word; None if words are indexed as they are."""
        return None if self._digests is None else self._digests.term

    def _digested(self, purpose: str, text: str | None) -> str | None:
        return text if self._digests is None or text is None else self._digests.of_text(purpose, text)

    def sealed(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """A row's values as they are stored; `values` has the columns of its place."""
        name, columns = table.name, sealed_columns(table)
        stored = dict(values)
        if AUTHOR in stored and SEALED_AUTHOR in table.c:
            stored[SEALED_AUTHOR] = stored[AUTHOR] if self.is_sealing else None
            stored[AUTHOR] = self.author(stored[AUTHOR])
        if self.is_sealing:
            place = place_of(table, values)
            stored |= {
                column: self.seal(f"{name}.{column}", place, stored[column])
                for column in columns
                if column in stored
            }
        return stored

    def all_sealed(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Rows as they are stored."""
        return (self.sealed(table, row) for row in rows)

    def opened(self, table: Table, row: Any) -> Any:
        """A row as it was before it was stored; it has the columns of its place. Raises DoesNotOpen."""
        if not self.is_sealing:
            return row
        values = self.opened_values(table, {**row._mapping})
        return _record(tuple(row._fields))(**values)

    def all_opened(self, table: Table, rows: Sequence[Any]) -> Sequence[Any]:
        """Rows as they were before they were stored. Raises DoesNotOpen."""
        return [self.opened(table, row) for row in rows] if self.is_sealing else rows

    def opened_values(self, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
        """The same for the values of a row."""
        name, place = table.name, place_of(table, row)
        values = {
            column: self.open(f"{name}.{column}", place, value) if column in sealed_columns(table) else value
            for column, value in row.items()
        }
        if SEALED_AUTHOR in values and not (self.is_turning and values[SEALED_AUTHOR] is None):
            values[AUTHOR] = values[SEALED_AUTHOR]
        return values

    def renewed(self, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a stored row that are not as they would be stored now, as they would be. Raises DoesNotOpen."""
        hashes: dict[str, Any] = {
            name: self.hash(row[name]) for name in hash_columns(table) if row[name] is not None
        }
        new: dict[str, Any] = {name: value for name, value in hashes.items() if value != row[name]}
        place = place_of(table, row) if "place" in table.info else ""
        for name in sealed_columns(table) - {SEALED_AUTHOR}:
            new |= self._resealed(table, name, place, row[name])
        if table.c.get(SEALED_AUTHOR) is not None:
            if row[SEALED_AUTHOR] is not None:
                new |= self._resealed(table, SEALED_AUTHOR, place, row[SEALED_AUTHOR])
            elif row[AUTHOR] is not None and self.is_turning:
                author = row[AUTHOR]
                new |= {AUTHOR: self.author(author), SEALED_AUTHOR: self.seal_author(table, place, author)}
        return new

    def _resealed(self, table: Table, name: str, place: str, stored: str | None) -> dict[str, Any]:
        column = f"{table.name}.{name}"
        is_newest = stored is None or (self.ring is not None and self.ring.is_newest(stored))
        if is_newest and not self.is_turning:
            return {}
        text = self.open(column, place, stored)
        # A plain text that begins like a sealed one does not open, and comes back as it is.
        return {} if is_newest and text != stored else {name: self.seal(column, place, text)}


PLAIN = Vault()


def vault_of(connection: Connection) -> Vault:
    """The vault of the connection's database."""
    vault: Vault = connection.get_execution_options().get(OPTION, PLAIN)
    if vault.is_turning:
        # The program that turns plain values over ends that, beside this process.
        vault.is_turning = is_turning(connection)
    return vault


def is_turning(connection: Connection) -> bool:
    """Whether plain values are still being turned over."""
    return connection.scalar(select(switches.c.name).where(switches.c.name == TURNING)) is not None


@cache
def sealed_columns(table: Table) -> frozenset[str]:
    """The names of a table's columns whose values are sealed."""
    return frozenset(column.name for column in table.c if column.info.get("encrypted"))


@cache
def hash_columns(table: Table) -> frozenset[str]:
    """The names of a table's columns whose values are hashes of texts."""
    return frozenset(column.name for column in table.c if column.info.get("hashed"))


def place_of(table: Table, row: Mapping[str, Any]) -> str:
    """What a sealed value belongs to: the columns that never change in its row's life."""
    return at(*(row[name] for name in table.info["place"]))


def at(*place: object) -> str:
    """A place by the values of its columns."""
    return ",".join(map(str, place))


@cache
def _record(fields: tuple[str, ...]) -> Any:
    return namedtuple("Opened", fields)


def is_sealed(stored: str) -> bool:
    """Whether a stored value looks sealed."""
    return stored.startswith(MARK)
