"""Facets: the values of a field in a window, each with how many insights have it.

The values of analyzer and model are few and are counted one by one along their index. Authors and metadata are grouped
along theirs, which reads an entry for every insight of the field. Outcomes come from the roll-up of summaries.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from core.errors import DoesNotOpen
from models import conversations, insight_metadata, insights
from store.engine.prepared import Prepared, by_code_point
from store.engine.vault import at, vault_of
from store.insights.case_list import CaseSelection, count_cases
from store.insights.metadata import values_of
from store.insights.narrowing import makers

METADATA = "metadata."


class Facet(NamedTuple):
    """A value of a field; None if it does not open."""

    value: str | None
    n: int


@dataclass(frozen=True, slots=True)
class FacetSelection:
    """The values of a field in `[start, end)`, UTC microseconds."""

    field: str
    """`author`, `analyzer`, `model`, `outcome`, or `metadata.` and a key."""
    start: int
    end: int


def list_facets(connection: Connection, chosen: FacetSelection, *, limit: int) -> tuple[list[Facet], bool]:
    """The commonest values, equal ones in the order of their stored forms; and whether there are more."""
    found = list(_found(connection, chosen, limit + 1))
    return found[:limit], len(found) > limit


def _found(connection: Connection, chosen: FacetSelection, limit: int) -> Iterator[Facet]:
    given = {"start": chosen.start, "end": chosen.end, "limit": limit}
    if chosen.field == "author":
        yield from _authors(connection, given)
    elif chosen.field.startswith(METADATA):
        yield from _metadata(connection, chosen.field.removeprefix(METADATA), given)
    else:
        counted = _outcomes if chosen.field == "outcome" else _makers
        found = {value: n for value, n in counted(connection, chosen).items() if n}
        for value in sorted(found, key=lambda value: (-found[value], value))[:limit]:
            yield Facet(value, found[value])


def _authors(connection: Connection, given: Mapping[str, int]) -> Iterator[Facet]:
    vault = vault_of(connection)
    for author, n, conversation in AUTHORS.rows(connection, {**given}):
        sealed = connection.scalar(SEALED, {"number": conversation}) if vault.is_sealing else None
        try:
            yield Facet(vault.open_author(insights, at(conversation), author, sealed), n)
        except DoesNotOpen:
            yield Facet(None, n)


def _metadata(connection: Connection, key: str, given: Mapping[str, int]) -> Iterator[Facet]:
    for value, n, conversation in VALUES.rows(connection, {**given, "key": key}):
        yield Facet(_sent(connection, key, value, conversation), n)


def _sent(connection: Connection, key: str, value: str, conversation: int) -> str | None:
    """The value as its sender wrote it: an encrypted database has an HMAC of it."""
    vault = vault_of(connection)
    if not vault.is_sealing:
        return value
    id_, metadata = connection.execute(SENT, {"number": conversation}).one()
    try:
        opened = vault.open("conversations.metadata", id_, metadata)
    except DoesNotOpen:
        return None
    return dict(values_of(opened or "{}", (key,))).get(key)


def _makers(connection: Connection, chosen: FacetSelection) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for analyzer, model in makers(connection):
        given = {"analyzer": analyzer, "model": model, "start": chosen.start, "end": chosen.end}
        found[analyzer if chosen.field == "analyzer" else model] += MADE.scalar(connection, given)
    return found


def _outcomes(connection: Connection, chosen: FacetSelection) -> Mapping[str, int]:
    return count_cases(connection, CaseSelection(chosen.start, chosen.end))


def _grouped(value: Any, table: Any, *conditions: Any) -> Select[Any]:
    at_ = table.c.timestamp
    n = func.count()
    found = select(value, n, func.min(table.c.conversation)).where(
        *conditions, at_ >= bindparam("start"), at_ < bindparam("end")
    )
    order: Sequence[Any] = (n.desc(), by_code_point(value))
    return found.group_by(value).order_by(*order).limit(bindparam("limit"))


_i, _m = insights.c, insight_metadata.c
AUTHORS = Prepared(_grouped(_i.author, insights, _i.author.is_not(None)))
VALUES = Prepared(_grouped(_m.value, insight_metadata, _m.key == bindparam("key")))
MADE = Prepared(
    select(func.count(literal_column("*"))).where(
        _i.analyzer == bindparam("analyzer"),
        _i.model == bindparam("model"),
        _i.timestamp >= bindparam("start"),
        _i.timestamp < bindparam("end"),
    )
)
SEALED = select(_i.sealed_author).where(_i.conversation == bindparam("number"))
SENT = select(conversations.c.id, conversations.c.metadata).where(
    conversations.c.number == bindparam("number")
)
