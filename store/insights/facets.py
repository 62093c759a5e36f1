"""Facets: the values of a field in a window, each with how many insights have it.

Where there are few values, each is looked up in the index, and its entries in the window are counted: so it is mostly
with metadata. Authors are many, and metadata may be: those are grouped along their index, which reads an entry for
every insight of the field. Analyzers and models come from the roll-up of makers by day, outcomes from that of
summaries, the values of an operator's field and the bins of its numbers from that of insights.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from core.errors import DoesNotOpen
from domain.fields.filters import FieldFilter
from domain.fields.kinds import BIN, bin_label
from models import ALL_TOPICS, conversations, insight_metadata, insights
from store.engine.prepared import Prepared, by_code_point
from store.engine.vault import at, vault_of
from store.insights.case_list import CaseSelection, count_cases
from store.insights.field_filing import KNOWN as VALUES_OF_FIELD
from store.insights.makers import A_DAY, counts_of_days
from store.insights.metadata import values_of
from store.insights.narrowing import Narrowing, makers
from store.insights.stored_selection import as_stored, count_filed
from store.insights.windows import Selection, count_insights

METADATA = "metadata."
FEW = 1_000
"""Values of metadata that are counted one by one."""


class Facet(NamedTuple):
    """A value of a field; None if it does not open."""

    value: str | None
    n: int


@dataclass(frozen=True, slots=True)
class FacetSelection:
    """The values of a field in `[start, end)`, UTC microseconds."""

    field: str
    """`author`, `analyzer`, `model`, `outcome`, `metadata.` and a key, or the name of an operator's field."""
    start: int
    end: int
    narrowed: tuple[FieldFilter, ...] = ()
    """Filters by fields, of the insights that are counted; only of the values of a field, an analyzer or a model."""


def list_facets(
    connection: Connection, chosen: FacetSelection, *, limit: int, few: int = FEW
) -> tuple[list[Facet], bool]:
    """The commonest values, equal ones in the order of their stored forms; and whether there are more.

    Any `few` gives the same: up to so many values are counted one by one.
    """
    found = list(_found(connection, chosen, limit + 1, few))
    return found[:limit], len(found) > limit


def _found(connection: Connection, chosen: FacetSelection, limit: int, few: int) -> Iterator[Facet]:
    given: dict[str, Any] = {"start": chosen.start, "end": chosen.end, "limit": limit}
    if chosen.field == "author":
        yield from _authors(connection, given)
    elif chosen.field.startswith(METADATA):
        yield from _metadata(connection, given | {"key": chosen.field.removeprefix(METADATA)}, few)
    else:
        counted = COUNTING.get(chosen.field, _answers)
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


def _metadata(connection: Connection, given: Mapping[str, Any], few: int) -> Iterator[Facet]:
    given = {**given, "most": few + 1}
    counted = COUNTED if len(KNOWN.rows(connection, given)) <= few else VALUES
    for value, n, conversation in counted.rows(connection, given):
        yield Facet(_sent(connection, given["key"], value, conversation), n)


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
    counted = _made_of_narrowed if chosen.narrowed else _made
    found: Counter[str] = Counter()
    for analyzer, model, n in counted(connection, chosen):
        found[analyzer if chosen.field == "analyzer" else model] += n
    return found


def _made(connection: Connection, chosen: FacetSelection) -> Iterator[tuple[str, str, int]]:
    """By whole UTC days, and one by one before the first and after the last of them."""
    first, end = -(-chosen.start // A_DAY), chosen.end // A_DAY
    edges = [(chosen.start, chosen.end)]
    if first < end:
        yield from counts_of_days(connection, first, end)
        edges = [(chosen.start, first * A_DAY), (end * A_DAY, chosen.end)]
    for start, stop in edges:
        for analyzer, model in makers(connection) if start < stop else ():
            given = {"analyzer": analyzer, "model": model, "start": start, "end": stop}
            yield analyzer, model, MADE.scalar(connection, given)


def _made_of_narrowed(connection: Connection, chosen: FacetSelection) -> Iterator[tuple[str, str, int]]:
    for analyzer, model in makers(connection):
        made = Selection(chosen.start, chosen.end, analyzer=analyzer, model=model, fields=chosen.narrowed)
        yield analyzer, model, _count(connection, made)


def _answers(connection: Connection, chosen: FacetSelection) -> Mapping[str, int]:
    """Of a number its bins."""
    window = as_stored(connection, Selection(chosen.start, chosen.end, fields=chosen.narrowed))
    found = {}
    for _, value, number in VALUES_OF_FIELD.rows(connection, {"fields": [chosen.field]}):
        label = bin_label(value) if value.startswith(BIN) else value
        found[label] = _count_under(connection, number, window)
    return found


def _count_under(connection: Connection, number: int, window: Selection) -> int:
    """Count the insights of a value. Those of other values that a filter asks for are looked up one by one."""
    if not window.fields:
        return count_insights(connection, number, window)
    own = FieldFilter("", whole=(number,))
    both = sorted((own, *window.fields), key=lambda each: count_filed(connection, each, window))
    return Narrowing(connection, replace(window, fields=tuple(both)), ALL_TOPICS).count()


def _count(connection: Connection, chosen: Selection) -> int:
    return Narrowing(connection, as_stored(connection, chosen), ALL_TOPICS).count()


def _outcomes(connection: Connection, chosen: FacetSelection) -> Mapping[str, int]:
    return count_cases(connection, CaseSelection(chosen.start, chosen.end))


COUNTING = {"outcome": _outcomes, "analyzer": _makers, "model": _makers}


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


def _known() -> Select[Any]:
    """The values of a key, each found by one lookup from the one before it."""
    of_key = _m.key == bindparam("key")
    known = select(select(func.min(_m.value)).where(of_key).scalar_subquery().label("value")).cte(
        "known", recursive=True
    )
    beyond = select(func.min(_m.value)).where(of_key, _m.value > known.c.value).correlate(known)
    known = known.union_all(select(beyond.scalar_subquery()).where(known.c.value.is_not(None)))
    return select(known.c.value).where(known.c.value.is_not(None)).limit(bindparam("most"))


def _counted() -> Select[Any]:
    """The same as VALUES, if there are no more values than `most`."""
    value = _known().subquery().c.value
    entries = _m.key == bindparam("key"), _m.value == value, _m.timestamp >= bindparam("start")
    within = (*entries, _m.timestamp < bindparam("end"))
    one = select(_m.conversation).where(*within).limit(literal_column("1")).scalar_subquery()
    n = select(func.count(literal_column("*"))).where(*within).scalar_subquery()
    found = select(value.label("value"), n.label("n"), one.label("conversation")).subquery()
    order = found.c.n.desc(), by_code_point(found.c.value)
    return select(found).where(found.c.n > 0).order_by(*order).limit(bindparam("limit"))


KNOWN, COUNTED = Prepared(_known()), Prepared(_counted())
SEALED = select(_i.sealed_author).where(_i.conversation == bindparam("number"))
SENT = select(conversations.c.id, conversations.c.metadata).where(
    conversations.c.number == bindparam("number")
)
