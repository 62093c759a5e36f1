"""Files insights under their answers to the operator's fields, and keeps the values that fields have had.

The numbers of values lie below those of topics, so that the roll-ups count an insight under its values as it counts it
under its topics. Texts are in no list and no count.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic_core import to_json
from sqlalchemy import Connection, String, bindparam, delete, func, insert, select

from domain.fields.fieldsets import FieldAnswers, FieldSet, FiledValue
from models import LAST_FIELD_VALUE, field_values, field_version_counts, field_versions, insight_fields
from store.engine.dialect import insert_on_conflict, insert_rows
from store.engine.prepared import Prepared, among
from store.insights.rollup_changes import add_changes

FIELDS_LOCK = 7_201_735
"""An arbitrary number that all processes share, held by whoever gives a value its number."""
_f, _v = insight_fields.c, field_values.c
KNOWN = Prepared(select(_v.field, _v.value, _v.number).where(among(_v.field, "fields", String)))
NAMED = Prepared(select(_v.number, _v.field, _v.value).where(among(_v.number, "numbers")))
ALONE = select(func.pg_advisory_xact_lock(FIELDS_LOCK))
FILE = insert(insight_fields)
UNFILE = delete(insight_fields).where(
    _f.value == bindparam("v"), _f.timestamp == bindparam("at"), _f.conversation == bindparam("of")
)
Numbers = Mapping[tuple[str, str], int]
"""The numbers of values, by field and value."""


class FiledFields(NamedTuple):
    """Under what an insight is filed."""

    version: str
    values: tuple[tuple[int, float | None], ...]
    """The number of each value and, of a number, itself."""

    @property
    def stored(self) -> str:
        """As it stands in the column `filed_fields`."""
        return to_json(self.values).decode()

    @classmethod
    def parse(cls, version: str | None, stored: str | None) -> "FiledFields | None":
        """From the columns of an insight; None if it has no answers."""
        if version is None or stored is None:
            return None
        return cls(version, tuple((number, value) for number, value in json.loads(stored)))


class HasFields(Protocol):
    """The parts of an insight that are filed under its answers."""

    @property
    def conversation(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def sentiment(self) -> int: ...
    @property
    def confidence(self) -> int: ...
    @property
    def score(self) -> int: ...
    @property
    def fields(self) -> FiledFields | None: ...


# --- versions and values --------------------------------------------------------------------------------------


def declare_fields(connection: Connection, fields: FieldSet, *, at: int) -> None:
    """Note this version of the fields, first seen `at` a time if it is new, and give numbers to its values."""
    if not fields:
        return
    new = insert_on_conflict(connection.dialect.name, field_versions).on_conflict_do_nothing()
    row = {"version": fields.version, "definition": fields.definition, "first_seen": at}
    connection.execute(new, [row])
    value_numbers(connection, fields.possible)


def value_numbers(connection: Connection, values: Iterable[tuple[str, str]]) -> Numbers:
    """The numbers of values, each a field and a value; those without one get it."""
    wanted = set(values)
    if not wanted:
        return {}
    known = known_values(connection, wanted)
    if missing := sorted(wanted - known.keys()):
        _number(connection, missing)
        known = known_values(connection, wanted)
    return known


def known_values(connection: Connection, values: Iterable[tuple[str, str]]) -> Numbers:
    """The numbers of all values of the fields that these are of, as far as they have one."""
    rows = KNOWN.rows(connection, {"fields": sorted({field for field, _ in values})})
    return {(field, value): number for field, value, number in rows}


def _number(connection: Connection, values: Sequence[tuple[str, str]]) -> None:
    """Give numbers to values that have none, unless somebody else has just done it."""
    if connection.dialect.name == "postgresql":
        connection.execute(ALONE)
    lowest = connection.scalar(select(func.min(_v.number)))
    first = LAST_FIELD_VALUE if lowest is None else lowest - 1
    new = insert_on_conflict(connection.dialect.name, field_values).on_conflict_do_nothing()
    rows = [(field, value, first - place) for place, (field, value) in enumerate(values)]
    insert_rows(connection, new, rows)


def named_values(connection: Connection, numbers: Collection[int]) -> Mapping[int, tuple[str, str]]:
    """The field and the value of each of these numbers."""
    rows = NAMED.rows(connection, {"numbers": sorted(numbers)}) if numbers else ()
    return {number: (field, value) for number, field, value in rows}


def stored_answers(connection: Connection, rows: Iterable[Any]) -> dict[int, FieldAnswers]:
    """The answers of insights, rows of `insights` that are opened, by conversation; without those that have none."""
    filed = {
        row.conversation: (row, fields)
        for row in rows
        if (fields := FiledFields.parse(row.fields_version, row.filed_fields)) is not None
    }
    names = named_values(connection, {n for _, fields in filed.values() for n, _ in fields.values})
    return {
        conversation: FieldAnswers(
            fields.version,
            json.loads(row.fields),
            tuple(FiledValue(*names[number], value) for number, value in fields.values),
        )
        for conversation, (row, fields) in filed.items()
    }


# --- filing ---------------------------------------------------------------------------------------------------


def to_file(connection: Connection, answered: Mapping[int, FieldAnswers | None]) -> Mapping[int, FiledFields]:
    """Under what insights with these answers are to be filed, by conversation."""
    given = {number: answers for number, answers in answered.items() if answers is not None}
    numbers = value_numbers(
        connection, [(field, value) for answers in given.values() for field, value, _ in answers.filed]
    )
    return {
        number: FiledFields(version, tuple([(numbers[field, value], exact) for field, value, exact in filed]))
        for number, (version, _, filed) in given.items()
    }


def file_fields(connection: Connection, new: Iterable[HasFields], old: Iterable[HasFields]) -> None:
    """File insights, and `old` ones no longer."""
    if gone := [*_rows(old)]:
        connection.execute(UNFILE, [{"v": row[0], "at": row[1], "of": row[2]} for row in gone])
    insert_rows(connection, FILE, [*_rows(new)])


def values_to_count(
    new: Sequence[HasFields], old: Sequence[HasFields]
) -> Iterator[tuple[int, int, int, int, int]]:
    """What is counted under values, and what no longer: value, time, sentiment, how many and the sum of scores."""
    for sign, filed in ((1, new), (-1, old)):
        for each in filed:
            for value, _ in each.fields.values if each.fields else ():
                yield value, each.timestamp, each.sentiment, sign, sign * each.score


def count_field_versions(connection: Connection, new: Iterable[HasFields], old: Iterable[HasFields]) -> None:
    """Count how many insights have each version; last in a transaction, since all writers want the same row."""
    versions = Counter(each.fields.version for each in new if each.fields)
    versions.subtract(Counter(each.fields.version for each in old if each.fields))
    changed = [(version, n) for version, n in versions.items() if n]
    if changed:
        add_changes(connection, field_version_counts, changed)


def _rows(filed: Iterable[HasFields]) -> Iterator[tuple[Any, ...]]:
    """The rows of `insight_fields`."""
    for each in filed:
        if each.fields is not None:
            said = each.timestamp, each.conversation, each.sentiment, each.confidence, each.score
            for value, number in each.fields.values:
                yield (value, *said, number)


def columns_to_store(answers: FieldAnswers | None, filed: FiledFields | None) -> dict[str, str | None]:
    """What an insight has of its answers, as columns."""
    if answers is None or filed is None:
        return NO_ANSWERS
    # 0.9 us in place of 3: `json.dumps` makes an encoder for every call that wants no blanks.
    values = to_json(answers.values).decode()
    return {"fields": values, "fields_version": filed.version, "filed_fields": filed.stored}


NO_ANSWERS: dict[str, str | None] = dict.fromkeys(("fields", "fields_version", "filed_fields"))
