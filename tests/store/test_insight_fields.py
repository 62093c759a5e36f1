"""Answers to fields: how they are stored, filed under their values, counted, carried over, and taken back."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

import database
from core.crypto import MARK, KeyRing
from database import Database
from domain.analysis import Analysis
from models import (
    LAST_FIELD_VALUE,
    field_values,
    field_version_counts,
    field_versions,
    insight_fields,
    insights,
)
from store.conversations.records import delete_conversation
from store.insights import field_filing
from store.insights.cached_answers import cached_answers
from store.insights.correcting import correct
from store.insights.versions import versions_of
from store.insights.windows import Selection, count_all_time, count_insights
from store.insights.writing import store_insights
from tests.support.field_data import CHANGED, FIELDS, SAID
from tests.support.insight_data import (
    NOON,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_conversation,
    thorough,
    timestamps,
    tried,
)
from tests.support.recount import assert_counted

KEY = bytes(33)
SEALING = KeyRing([bytes([1]) * 32])


def answering(**changes: object) -> Analysis:
    return an_analysis(fields=FIELDS.read({**SAID, **changes}))


def number_of(connection: Connection, field: str, value: str) -> int:
    return field_filing.value_numbers(connection, [(field, value)])[field, value]


# --- versions and values --------------------------------------------------------------------------------------


async def test_a_version_is_noted_once_and_values_keep_their_numbers(db: Database) -> None:
    def check(connection: Connection) -> None:
        field_filing.declare_fields(connection, FIELDS, at=NOON)
        first = connection.execute(select(field_values)).all()
        field_filing.declare_fields(connection, FIELDS, at=NOON + 1)
        field_filing.declare_fields(connection, CHANGED, at=NOON + 2)

        assert sorted(row.number for row in first) == [
            *range(LAST_FIELD_VALUE + 1 - len(first), LAST_FIELD_VALUE + 1)
        ]
        assert {(row.field, row.value) for row in first} == {*FIELDS.possible}
        later = connection.execute(select(field_values)).all()
        assert {*first} < {*later}
        assert {(row.field, row.value) for row in later} == {*FIELDS.possible, *CHANGED.possible}
        noted = connection.execute(select(field_versions).order_by(field_versions.c.first_seen)).all()
        assert [(row.version, row.first_seen) for row in noted] == [
            (FIELDS.version, NOON),
            (CHANGED.version, NOON + 2),
        ]
        assert json.loads(noted[0].definition) == [each.definition for each in FIELDS.fields]

    await tried(db, check)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_processes_that_start_together_give_the_same_numbers(server_url: URL) -> None:
    engine = create_async_engine(server_url, pool_size=8)
    together = asyncio.Barrier(8)

    async def start(place: int) -> None:
        async with engine.begin() as connection:
            await together.wait()
            declared = FIELDS if place % 2 else CHANGED
            await connection.run_sync(field_filing.declare_fields, declared, at=NOON)

    try:
        async with asyncio.TaskGroup() as starts:
            for place in range(8):
                starts.create_task(start(place))
        async with engine.begin() as connection:
            found = (await connection.execute(select(field_values))).all()
    finally:
        await engine.dispose()

    assert {(row.field, row.value) for row in found} == {*FIELDS.possible, *CHANGED.possible}
    assert len({row.number for row in found}) == len(found)


# --- counts ---------------------------------------------------------------------------------------------------


@thorough
@given(
    filed=st.lists(st.tuples(timestamps(), analyses), max_size=12),
    chosen=st.builds(
        Selection,
        start=timestamps(75),
        end=timestamps(75),
        sentiment=st.sampled_from([None, 1, 0, -1, 2]),
        min_confidence=st.sampled_from([0, 0, 7, 55, 100]),
    ),
    field_and_value=st.sampled_from(FIELDS.possible),
)
async def test_the_roll_ups_count_a_value_exactly_in_any_window(
    db: Database,
    filed: list[tuple[int, Analysis]],
    chosen: Selection,
    field_and_value: tuple[str, str],
) -> None:
    made = [an_insight(number, at, analysis) for number, (at, analysis) in enumerate(filed, 1)]
    matching = [
        each
        for each in made
        if chosen.start <= each.timestamp < chosen.end
        and chosen.sentiment in (None, each.analysis.sentiment)
        and each.analysis.confidence >= chosen.min_confidence
        and each.analysis.fields is not None
        and field_and_value in {(one.field, one.value) for one in each.analysis.fields.filed}
    ]

    def check(connection: Connection) -> None:
        store(connection, made)
        number = number_of(connection, *field_and_value)
        window = replace(chosen, end=max(chosen.start, chosen.end))
        assert count_insights(connection, number, window) == len(matching)
        assert count_all_time(connection) == (len(made), 0)

    await tried(db, check)


# --- what becomes of them -------------------------------------------------------------------------------------


async def test_a_later_version_of_the_fields_voids_no_old_answer(db: Database) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=answering()), an_insight(2, analysis=answering())])
        newer = an_analysis(fields=CHANGED.read({**SAID, "urgency": "normal", "refund_amount": 9_000}))
        store_insights(connection, [an_insight(1, analysis=newer)])

        counted = {row.version: row.n for row in connection.execute(select(field_version_counts))}
        assert counted == {FIELDS.version: 1, CHANGED.version: 1}
        (kept,) = versions_of(connection, [1])[1]
        assert (kept.row.fields_version, json.loads(kept.row.fields)) == (FIELDS.version, SAID)
        ever = Selection(0, NOON * 2)
        assert count_insights(connection, number_of(connection, "urgency", "high"), ever) == 1
        assert count_insights(connection, number_of(connection, "urgency", "normal"), ever) == 1
        assert count_insights(connection, number_of(connection, "damaged", "true"), ever) == 2

    await tried(db, check)


async def test_twins_get_the_same_answers(db: Database) -> None:
    def check(connection: Connection) -> None:
        own, without = answering(place="über dem Zaun"), an_analysis()
        other = bytes(32) + b"1"
        store(
            connection,
            [
                an_insight(1, analysis=own, cache_key=KEY),
                an_insight(2, analysis=without, cache_key=other),
            ],
        )
        found = cached_answers(connection, [KEY, other])
        assert found[KEY].analysis == own
        assert found[other].analysis == without

    await tried(db, check)


async def test_a_correction_keeps_the_answers_and_counts_them_under_the_new_sentiment(db: Database) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=answering())])
        correct(connection, 1, {"sentiment": 1}, by="ana", at=NOON)

        number, ever = number_of(connection, "urgency", "high"), Selection(0, NOON * 2)
        assert count_insights(connection, number, replace(ever, sentiment=1)) == 1
        assert count_insights(connection, number, replace(ever, sentiment=-1)) == 0
        assert {row.sentiment for row in connection.execute(select(insight_fields))} == {1}
        row = connection.execute(select(insights)).one()
        assert (row.fields_version, json.loads(row.fields)) == (FIELDS.version, SAID)

        correct(connection, 1, {"sentiment": None}, by="ana", at=NOON)
        assert_counted(connection, [an_insight(1, analysis=answering())], ())

    await tried(db, check)


async def test_they_go_with_the_conversation(db: Database) -> None:
    def check(connection: Connection) -> None:
        store_conversation(connection, 1)
        store_insights(connection, [an_insight(1, analysis=answering())])
        store_insights(connection, [an_insight(1, analysis=answering(urgency="low"))])
        delete_conversation(connection, "conv_1")

        assert_counted(connection, (), ())
        assert connection.execute(select(insight_fields)).all() == []

    await tried(db, check)


async def test_what_is_said_is_sealed_and_found_all_the_same(database_url: URL) -> None:
    def fill(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=answering(), cache_key=KEY)])
        store_insights(connection, [an_insight(1, analysis=answering(place="here"), cache_key=KEY)])

    def read(connection: Connection) -> None:
        stored = [*connection.scalars(select(insights.c.fields))]
        (kept,) = versions_of(connection, [1])[1]
        assert [text.startswith(MARK) for text in stored] == [True]
        assert json.loads(kept.row.fields) == SAID
        stored_key = connection.scalars(select(insights.c.cache_key)).one()
        assert stored_key is not None
        assert (
            cached_answers(connection, [stored_key])[stored_key].analysis.fields
            == answering(place="here").fields
        )
        number = number_of(connection, "urgency", "high")
        assert count_insights(connection, number, Selection(0, NOON * 2)) == 1

    async with database.opened(database_url, ring=SEALING) as db:
        await db.write(fill)
        await db.write(read)
