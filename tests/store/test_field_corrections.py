"""Corrections of fields: what a person answers counts, whatever else happens, and all counts equal a recount."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

import database
from core.crypto import MARK, KeyRing
from core.errors import BadCorrection
from database import Database
from domain.analysis import Analysis
from domain.corrections import MIDDLE, FieldChanges
from domain.fields.definitions import defined_as
from domain.fields.fieldsets import FieldAnswers, FieldSet
from models import corrections, insight_fields, insights
from store.conversations.records import delete_conversation
from store.insights import correcting, field_filing
from store.insights.cached_answers import cached_answers
from store.insights.correcting import Corrected, NotCorrected
from store.insights.corrections import shown_corrections
from store.insights.versions import versions_of
from store.insights.writing import Insight, store_insights
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

CONVERSATIONS = 2
KEY = bytes(33)
SEALING = KeyRing([bytes([1]) * 32])
VERSIONS = {FIELDS.version: FIELDS, CHANGED.version: CHANGED}
VALUES: Mapping[str, Sequence[Any]] = {
    "urgency": ["high", "low", None, "top"],  # `low` is of the first version only
    "refund_amount": [0, 12.5, 7_000, None, True],  # 7,000 is of the second one only
    "damaged": [True, False, None],
    "wishes": [["refund"], ["apology", "refund"], [], None],
    "place": ["at the neighbour's", None, ""],
    "colour": ["red"],
}
names = st.sampled_from([*VALUES])
said_of_fields = st.one_of(
    st.none(),
    st.builds(
        FieldChanges,
        st.lists(names.flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name])))).map(
            dict
        ),
        st.lists(names, max_size=1),
    ),
)
steps = st.one_of(
    st.tuples(st.just("analyse"), st.integers(1, CONVERSATIONS), st.tuples(analyses, st.booleans())),
    st.tuples(st.just("say"), st.integers(1, CONVERSATIONS), said_of_fields),
    st.tuples(st.just("say"), st.integers(1, CONVERSATIONS), said_of_fields),
    st.tuples(st.just("feel"), st.integers(1, CONVERSATIONS), st.sampled_from([None, -1, 1])),
    st.tuples(st.just("delete"), st.integers(1, CONVERSATIONS), st.none()),
)


def say(connection: Connection, number: int, *withdrawn: str, **said: Any) -> Corrected | NotCorrected:
    changes = {"fields": FieldChanges(said, withdrawn)}
    return correcting.correct(connection, number, changes, by="key:ann", at=NOON + 7)


def is_valid(fields: FieldSet, name: str, value: object) -> bool:
    """Whether a version of the fields allows a value, from how `VALUES` is written."""
    wrong: list[tuple[str, object]] = [
        ("urgency", None),
        ("urgency", "top"),
        ("place", ""),
        ("colour", "red"),
    ]
    wrong.append(("urgency", "low") if fields is CHANGED else ("refund_amount", 7_000))
    return ((name, value) not in wrong and value is not True) or name == "damaged"


@dataclass
class Expected:
    """Takes the steps of a test in the database, and knows what has to count afterwards."""

    connection: Connection
    said_at: Sequence[int]
    own: dict[int, Insight] = field(default_factory=dict)
    feelings: dict[int, int] = field(default_factory=dict)
    said: dict[int, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[int, int] = field(default_factory=dict)

    def analyse(self, number: int, made: tuple[Analysis, bool]) -> None:
        analysis, has_grown = made
        at = self.said_at[number - 1]
        if number not in self.revisions:
            self.revisions[number] = 1
            store_conversation(self.connection, number, at)
        elif has_grown:
            self.revisions[number] += 1
            self.said.pop(number, None)
            self.feelings.pop(number, None)
        self.own[number] = an_insight(number, at, analysis, revision=self.revisions[number])
        store_insights(self.connection, [self.own[number]])

    def say(self, number: int, changes: FieldChanges | None) -> None:
        answers = self.own[number].analysis.fields if number in self.own else None
        given_ = {"fields": changes}
        if changes is not None and answers is not None:
            asked = VERSIONS[answers.version]
            if not all(is_valid(asked, *each) for each in changes.said.items()):
                with pytest.raises(BadCorrection, match=r"^fields\."):
                    correcting.correct(self.connection, number, given_, by="ann", at=NOON)
                return
        done = correcting.correct(self.connection, number, given_, by="ann", at=NOON)
        if number not in self.own:
            assert done is NotCorrected.NOT_ANALYSED
        elif changes is not None and changes.said and answers is None:
            assert done is NotCorrected.WITHOUT_FIELDS
        else:
            before = {} if changes is None else self.said.get(number, {}) | dict(changes.said)
            withdrawn = () if changes is None else changes.withdrawn
            self.said[number] = {name: value for name, value in before.items() if name not in withdrawn}

    def feel(self, number: int, sentiment: int | None) -> None:
        correcting.correct(self.connection, number, {"sentiment": sentiment}, by="ann", at=NOON)
        self.feelings.pop(number, None)
        if number in self.own and sentiment is not None:
            self.feelings[number] = sentiment

    def delete(self, number: int, _: None) -> None:
        delete_conversation(self.connection, f"conv_{number}")
        for kept in (self.own, self.feelings, self.said, self.revisions):
            kept.pop(number, None)

    def counted(self) -> Iterator[Insight]:
        for number, own in self.own.items():
            analysis = own.analysis._replace(fields=self._answers(number, own.analysis.fields))
            sentiment = self.feelings.get(number)
            if sentiment is not None and sentiment != analysis.sentiment:
                analysis = analysis._replace(score=MIDDLE[sentiment], is_unsure=False)
            yield own._replace(analysis=analysis)

    def _answers(self, number: int, own: FieldAnswers | None) -> FieldAnswers | None:
        if own is None:
            return None
        asked = VERSIONS[own.version]
        said = {
            name: value for name, value in self.said.get(number, {}).items() if is_valid(asked, name, value)
        }
        return asked.read({**own.values, **said})


@thorough
@given(
    said_at=st.lists(timestamps(), min_size=CONVERSATIONS, max_size=CONVERSATIONS),
    series=st.lists(steps, min_size=2, max_size=12),
)
async def test_counts_equal_a_recount_whatever_was_corrected_analysed_again_and_deleted(
    db: Database, said_at: list[int], series: list[tuple[str, int, Any]]
) -> None:
    def play(connection: Connection) -> None:
        for fields in VERSIONS.values():
            field_filing.declare_fields(connection, fields, at=NOON)
        expected = Expected(connection, said_at)
        for what, number, given_ in series:
            getattr(expected, what)(number, given_)
        counted = [*expected.counted()]
        assert_counted(connection, counted, ())
        stored = {row.conversation: row for row in connection.execute(select(insights))}
        assert {number: row.fields and json.loads(row.fields) for number, row in stored.items()} == {
            each.conversation: each.analysis.fields and each.analysis.fields.values for each in counted
        }
        shown = shown_corrections(connection, range(1, CONVERSATIONS + 1))
        assert {n: each.row.said.fields for n, each in shown.items() if each.row.fields} == {
            number: said for number, said in expected.said.items() if said
        }
        beside = {
            n: json.loads(each.row.model_fields or "null") for n, each in shown.items() if each.row.fields
        }
        own = {n: expected.own[n].analysis.fields for n in beside}
        assert beside == {n: answers and answers.values for n, answers in own.items()}

    await tried(db, play)


# --- one by one -----------------------------------------------------------------------------------------------


def answering(**changes: object) -> Analysis:
    return an_analysis(fields=FIELDS.read({**SAID, **changes}))


def declared(connection: Connection, *made: Insight) -> None:
    """Insights, and the versions of fields that they answer."""
    for fields in VERSIONS.values():
        field_filing.declare_fields(connection, fields, at=NOON)
    store(connection, made)


def test_a_version_is_known_by_what_was_noted_of_it() -> None:
    for fields in VERSIONS.values():
        known = defined_as(fields.definition)
        assert (known.version, known.possible) == (fields.version, fields.possible)
        assert known.answers(SAID).filed == fields.answers(SAID).filed


async def test_it_is_taken_back_one_by_one_and_whole(db: Database) -> None:
    def check(connection: Connection) -> None:
        declared(connection, own := an_insight(1, analysis=answering()))
        say(connection, 1, urgency="low", refund_amount=None)
        say(connection, 1, damaged=False)
        assert [say(connection, 1, damaged=False)] == [Corrected(1, None)]

        say(connection, 1, "refund_amount")
        left = own._replace(analysis=answering(urgency="low", damaged=False))
        assert_counted(connection, [left], ())
        say(connection, 1, "urgency", "damaged", "place")
        assert_counted(connection, [own], ())
        assert connection.execute(select(corrections)).all() == []
        kept = [json.loads(each.row.fields) for each in versions_of(connection, [1])[1]]
        assert [(each["urgency"], each["refund_amount"], each["damaged"]) for each in kept] == [
            ("low", 12.5, False),
            ("low", None, False),
            ("low", None, True),
        ]

    await tried(db, check)


async def test_a_new_analysis_of_the_same_text_comes_beside_it_whatever_version_it_answers(
    db: Database,
) -> None:
    def check(connection: Connection) -> None:
        declared(connection, an_insight(1, analysis=answering()))
        say(connection, 1, urgency="low", damaged=False)
        newer = CHANGED.read({**SAID, "urgency": "normal", "refund_amount": 9_000})
        store_insights(connection, [an_insight(1, analysis=an_analysis(fields=newer))])

        # `low` is no value of the newer version, but what was said is kept.
        row = connection.execute(select(insights)).one()
        counted = json.loads(row.fields)
        assert (row.fields_version, counted["urgency"], counted["damaged"]) == (
            CHANGED.version,
            "normal",
            False,
        )
        [shown] = shown_corrections(connection, [1]).values()
        assert shown.row.said.fields == {"urgency": "low", "damaged": False}
        assert json.loads(shown.row.model_fields or "") == newer.values
        [before] = versions_of(connection, [1])[1]
        assert (before.row.origin, json.loads(before.row.fields)) == ("analysis", SAID)
        store_insights(connection, [an_insight(1, analysis=answering())])
        assert_counted(connection, [an_insight(1, analysis=answering(urgency="low", damaged=False))], ())

    await tried(db, check)


async def test_without_answers_there_is_nothing_to_correct(db: Database) -> None:
    def check(connection: Connection) -> None:
        declared(connection, an_insight(1))
        assert say(connection, 1, urgency="low") is NotCorrected.WITHOUT_FIELDS
        assert say(connection, 1, "urgency") == Corrected(1, None)

    await tried(db, check)


async def test_twins_get_what_the_analyzer_answered_and_texts_are_sealed(database_url: URL) -> None:
    own = answering()

    def fill(connection: Connection) -> None:
        declared(connection, an_insight(1, analysis=own, cache_key=KEY))
        say(connection, 1, urgency="low", place="at the neighbour's")

    def check(connection: Connection) -> None:
        row = connection.execute(select(corrections)).one()
        assert [text.startswith(MARK) for text in (row.fields, row.model_fields)] == [True, True]
        assert cached_answers(connection, [KEY])[KEY].analysis.fields == own.fields
        [shown] = shown_corrections(connection, [1]).values()
        assert shown.row.said.fields == {"urgency": "low", "place": "at the neighbour's"}
        say(connection, 1, "place", "urgency")
        assert json.loads(versions_of(connection, [1])[1][0].row.fields)["place"] == "at the neighbour's"
        assert_counted(connection, [an_insight(1, analysis=own)], ())

    async with database.opened(database_url, ring=SEALING) as db:
        await db.write(fill)
        await db.write(check)


async def test_they_go_with_the_conversation(db: Database) -> None:
    def check(connection: Connection) -> None:
        declared(connection, an_insight(1, analysis=answering()))
        say(connection, 1, urgency="low")
        delete_conversation(connection, "conv_1")
        assert_counted(connection, (), ())
        assert [*connection.execute(select(corrections)), *connection.execute(select(insight_fields))] == []

    await tried(db, check)
