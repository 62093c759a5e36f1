"""Corrections: what a person says counts, whatever else happens, and all counts equal a recount."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from database import Database
from domain.analysis import UNSURE, Analysis
from domain.corrections import Correction, corrected
from models import case_counts, conversations, corrections, insight_people, insights, quality_items, summaries
from store.conversations.records import delete_conversation
from store.insights import case_filing, correcting, writing
from store.insights.cached_answers import cached_answers
from store.insights.correcting import Corrected, NotCorrected
from store.insights.corrections import remove_correction, shown_corrections
from store.insights.versions import versions_of
from store.insights.writing import Insight
from store.queue.renewal import renew
from tests.support.insight_data import (
    NOON,
    SLUGS,
    UNSURE_ANALYSIS,
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

CONVERSATIONS = 4
KEY = b"k" * 32
numbers = st.integers(1, CONVERSATIONS)
topics = st.lists(st.sampled_from(SLUGS), min_size=1, max_size=3, unique=True).map(tuple)
sayings = st.fixed_dictionaries(
    {},
    optional={
        "sentiment": st.sampled_from([None, -1, 0, 1]),
        "clusters": st.one_of(st.none(), topics),
    },
)
steps = st.one_of(
    st.tuples(st.just("put"), numbers, st.tuples(analyses, st.sampled_from([1, 1, 2]))),
    st.tuples(st.just("say"), numbers, sayings),
    st.tuples(st.just("say"), numbers, sayings),
    st.tuples(st.just("remove"), numbers, st.none()),
    st.tuples(st.just("refile"), numbers, topics),
)


def say(connection: Connection, number: int, **changes: Any) -> Corrected | NotCorrected:
    return correcting.correct(connection, number, changes, by="key:ann", at=NOON + 7)


@dataclass
class Expected:
    """Takes the steps of a test in the database, and knows what has to count afterwards."""

    connection: Connection
    said_at: Sequence[int]
    own: dict[int, Insight] = field(default_factory=dict)
    said: dict[int, Correction] = field(default_factory=dict)

    def put(self, number: int, made: tuple[Analysis, int]) -> None:
        analysis, revision = made
        new = an_insight(number, self.said_at[number - 1], analysis, revision=revision)
        writing.store_insights(self.connection, [new])
        if number in self.own and self.own[number].revision != revision:
            self.said.pop(number, None)
            # A revision never comes again: what was said of it would count.
            remove_correction(self.connection, number, revision)
        self.own[number] = new

    def say(self, number: int, changes: dict[str, Any]) -> None:
        done = say(self.connection, number, **changes)
        assert isinstance(done, Corrected) == (number in self.own)
        if number in self.own:
            self.said[number] = self.said.get(number, Correction())._replace(**changes)

    def remove(self, number: int, _: None) -> None:
        writing.delete_insights(self.connection, [number])
        self.own.pop(number, None)
        self.said.pop(number, None)

    def refile(self, number: int, names: tuple[str, ...]) -> None:
        writing.refile(self.connection, {number: names}, at=NOON)
        if self.said.get(number, Correction()).clusters is not None:
            self.said[number] = self.said[number]._replace(clusters=names)
        elif number in self.own:
            analysis = self.own[number].analysis._replace(clusters=names)
            self.own[number] = self.own[number]._replace(analysis=analysis)

    def counted(self) -> Iterator[Insight]:
        for number, own in self.own.items():
            yield own._replace(analysis=corrected(own.analysis, self.said.get(number, Correction())))


@thorough
@given(
    said_at=st.lists(timestamps(), min_size=CONVERSATIONS, max_size=CONVERSATIONS),
    series=st.lists(steps, max_size=8),
)
async def test_counts_equal_a_recount_whatever_was_corrected_and_analysed_again(
    db: Database, said_at: list[int], series: list[tuple[str, int, Any]]
) -> None:
    def play(connection: Connection) -> None:
        expected = Expected(connection, said_at)
        for number, at in enumerate(said_at, 1):
            store_conversation(connection, number, at)
        for what, number, given_ in series:
            getattr(expected, what)(number, given_)
        assert_counted(connection, expected.counted(), ())
        shown = shown_corrections(connection, range(1, CONVERSATIONS + 1))
        assert {number: each.row.said for number, each in shown.items()} == {
            number: said for number, said in expected.said.items() if not said.is_empty
        }
        for number, each in shown.items():
            own = expected.own[number].analysis
            assert each.row.model_values == {
                "score": own.score,
                "sentiment": own.sentiment,
                "confidence": own.confidence,
                "clusters": json.dumps(own.clusters, ensure_ascii=False),
            }

    await tried(db, play)


async def test_a_correction_is_taken_over_by_a_new_analysis_of_the_same_text(db: Database) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=an_analysis(-6_500, 40))])
        say(connection, 1, sentiment=1)
        writing.store_insights(connection, [an_insight(1, analysis=an_analysis(100, 90, ["refund"]))])

        row = connection.execute(select(insights)).one()
        assert (row.score, row.sentiment, row.confidence, row.clusters) == (6_000, 1, 90, '["refund"]')
        [first] = versions_of(connection, [1])[1]
        assert (first.row.origin, first.row.score, first.row.sentiment) == ("analysis", -6_500, -1)
        say(connection, 1, sentiment=None)
        assert connection.execute(select(insights.c.score)).scalar() == 100
        undone, _ = versions_of(connection, [1])[1]
        assert (undone.row.origin, undone.row.made_by, undone.row.score) == ("correction", "key:ann", 6_000)
        assert undone.row.reasoning is None

    await tried(db, check)


async def test_when_the_chat_has_grown_its_new_insight_counts_and_the_correction_is_history(
    db: Database,
) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1)])
        say(connection, 1, sentiment=1)
        writing.store_insights(connection, [an_insight(1, analysis=an_analysis(-100), revision=2)])

        assert shown_corrections(connection, [1]) == {}
        assert connection.execute(select(insights.c.score)).scalar() == -100
        [before] = versions_of(connection, [1])[1]
        assert (before.row.origin, before.row.revision, before.row.sentiment) == ("correction", 1, 1)
        assert [row.revision for row in connection.execute(select(corrections))] == [1]

    await tried(db, check)


async def test_what_is_said_already_changes_nothing_and_what_is_not_there_cannot_be_corrected(
    db: Database,
) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1)])
        store_conversation(connection, 2)
        assert say(connection, 1, sentiment=-1) != Corrected(1, None)
        assert say(connection, 1, sentiment=-1) == Corrected(1, None)
        assert versions_of(connection, [1]) == {}
        assert say(connection, 2, sentiment=1) is NotCorrected.NOT_ANALYSED
        assert say(connection, 1, outcome="yes") is NotCorrected.NOT_SUMMARISED

    await tried(db, check)


def test_a_confirmed_sentiment_keeps_its_score_and_the_confidence_is_the_analyzers() -> None:
    own = an_analysis(-2_001, 30)

    assert corrected(own, Correction(sentiment=-1)) == own
    assert corrected(own, Correction(sentiment=1)) == own._replace(score=6_000)
    heard = corrected(UNSURE_ANALYSIS, Correction(sentiment=-1))
    assert (heard.sentiment, heard.score, heard.confidence) == (-1, -6_000, 0)
    assert corrected(UNSURE_ANALYSIS, Correction(clusters=("delay",))).sentiment == UNSURE


async def test_corrections_go_with_the_insight_and_with_the_conversation(db: Database) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1), an_insight(2)])
        for number in (1, 2):
            say(connection, number, sentiment=1)
            drawn = {"conversation": number, "draw": 1, "revision": 1, "chance": 0.5, "drawn_at": NOON}
            connection.execute(quality_items.insert().values(drawn))
        row = connection.execute(select(conversations).where(conversations.c.number == 1)).one()
        renew(connection, row, now=NOON, due=NOON)
        delete_conversation(connection, "conv_2")
        assert [*connection.execute(select(corrections)), *connection.execute(select(quality_items))] == []

    await tried(db, check)


async def test_twins_get_what_the_analyzer_said(db: Database) -> None:
    def check(connection: Connection) -> None:
        own = an_analysis(-6_500, 40, ["refund"])
        store(connection, [an_insight(1, analysis=own, cache_key=KEY)])
        say(connection, 1, sentiment=1, clusters=("praise",))
        assert cached_answers(connection, [KEY])[KEY].analysis == own

    await tried(db, check)


async def test_a_corrected_outcome_counts_also_when_the_summary_is_filed_again(db: Database) -> None:
    content = {"outcome": "maybe", "questions": []}

    def outcomes(connection: Connection) -> list[tuple[str, int]]:
        c = case_counts.c
        return [
            (row.outcome, row.n) for row in connection.execute(select(c.outcome, c.n).where(c.level == 1))
        ]

    def check(connection: Connection) -> None:
        store(connection, [an_insight(1, author="ann")])
        row = {"conversation": 1, "status": "completed", "made_from": 1, "content": json.dumps(content)}
        connection.execute(summaries.insert().values(row))
        case_filing.file_summary(connection, 1, content)
        assert outcomes(connection) == [("maybe", 1)]
        say(connection, 1, outcome="no")
        assert outcomes(connection) == [("no", 1)]
        assert [*connection.scalars(select(insight_people.c.open))] == [0]
        case_filing.file_summary(connection, 1, content)
        assert outcomes(connection) == [("no", 1)]
        say(connection, 1, outcome=None)
        assert outcomes(connection) == [("maybe", 1)]

    await tried(db, check)
