"""Insights by every filter, in every order, against plain counting and sorting."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from database import Database
from domain.fields.filters import FieldFilter
from domain.search_words import phrases_in, words
from models import ALL_TOPICS, conversations, insight_metadata, insights, messages
from store.insights import listing, metadata, writing
from store.insights.correcting import correct
from store.insights.listing import InsightWindow
from store.insights.metadata import values_of
from store.insights.narrowing import Narrowing
from store.insights.rollups import SENTIMENTS
from store.insights.stored_selection import as_stored
from store.insights.windows import Selection, Sort, under_topic
from store.insights.writing import Insight
from store.search import index
from tests.support.field_data import CHANGED, FIELDS, SAID, field_filters, has_answers
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
    A_DAY,
    NOON,
    SLUGS,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_conversations,
    thorough,
    timestamps,
    tried,
)

KEYS = ("shop", "plan")
MAKERS = (("grok", "grok-4.3"), ("grok", "grok-5"), ("gemini", "gemini-3.5"), ("offline", "vader"))
TEXTS = ("late again", "Late, and lost!", "lost", "ok", "never late or lost")
SENT = (None, '{"shop": "north"}', '{"shop": "south", "plan": 5}', '{"plan": true, "n": [1]}', '{"shop": 5}')


class Stored(NamedTuple):
    """An insight, the words of its conversation and the metadata that it came with."""

    insight: Insight
    text: str
    sent: str | None


stored_ones = st.lists(
    st.tuples(
        timestamps(),
        analyses,
        st.sampled_from(("ann", "bob", None)),
        st.sampled_from(MAKERS),
        st.sampled_from(TEXTS),
        st.sampled_from(SENT),
    ),
    max_size=25,
).map(
    lambda rows: [
        Stored(an_insight(number, at, analysis, author=author, analyzer=maker[0], model=maker[1]), text, sent)
        for number, (at, analysis, author, maker, text, sent) in enumerate(rows, 1)
    ]
)


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), st.sampled_from(values))


def rarely(usual: Any, other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda dice: st.just(usual) if dice else other)


selections = st.builds(
    Selection,
    start=st.one_of(st.just(NOON - 75 * A_DAY), timestamps(75)),
    end=st.one_of(st.just(NOON + 1), timestamps(75)),
    sentiment=maybe(1, 0, -1, 2),
    min_confidence=st.sampled_from([0, 0, 7, 55, 100]),
    cluster=maybe(*SLUGS, "never_seen"),
    author=maybe("ann", "bob", "nobody"),
    sort=st.sampled_from(Sort),
    analyzer=maybe("grok", "offline", "nobody"),
    model=maybe("grok-4.3", "vader"),
    language=maybe("en", "sv", "fr"),
    keyword=maybe("late", "lost LATE", '"late again"', "!", "missing"),
    metadata=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["north", "5", "true"]), max_size=2).map(
        lambda pairs: tuple(sorted(pairs.items()))
    ),
    fields=st.just(()) | field_filters,
)


def put(connection: Connection, stored: Sequence[Stored]) -> None:
    """Store them as intake, indexing and analysis do."""
    store_conversations(connection, [each.insight for each in stored])
    for each in stored:
        number = each.insight.conversation
        of_it = conversations.c.number == number
        connection.execute(update(conversations).where(of_it).values(metadata=each.sent))
        connection.execute(update(messages).where(messages.c.conversation == number).values(text=each.text))
    entries = [index.entry(each.insight.conversation, 1, each.text, None) for each in stored]
    index.add(connection, entries)
    writing.store_insights(connection, [each.insight for each in stored])


def has_words(text: str, keyword: str) -> bool:
    found, phrases = words(text), phrases_in(keyword)
    return bool(phrases) and all(
        any(tuple(found[at : at + len(phrase)]) == phrase for at in range(len(found))) for phrase in phrases
    )


def matches(each: Stored, chosen: Selection) -> bool:
    insight, analysis = each.insight, each.insight.analysis
    sent = dict(values_of(each.sent or "{}", KEYS))
    return (
        chosen.start <= insight.timestamp < chosen.end
        and chosen.sentiment in (None, analysis.sentiment)
        and analysis.confidence >= chosen.min_confidence
        and (chosen.cluster is None or chosen.cluster in analysis.clusters)
        and chosen.author in (None, insight.author)
        and chosen.analyzer in (None, insight.analyzer)
        and chosen.model in (None, insight.model)
        and chosen.language in (None, analysis.language)
        and (chosen.keyword is None or has_words(each.text, chosen.keyword))
        and all(sent.get(key) == value for key, value in chosen.metadata)
        and has_answers(analysis, chosen.fields)
    )


def expected(stored: Sequence[Stored], chosen: Selection) -> list[int]:
    """The numbers of the matching insights in order."""

    def place(each: Stored) -> tuple[int, ...]:
        value = {"score": each.insight.analysis.score, "confidence": each.insight.analysis.confidence}
        return value.get(chosen.sort.column, 0), each.insight.timestamp, each.insight.conversation

    found = sorted(
        (each for each in stored if matches(each, chosen)), key=place, reverse=chosen.sort.descending
    )
    return [each.insight.conversation for each in found]


def windows(connection: Connection, chosen: Selection, limit: int) -> Iterator[InsightWindow]:
    """Every page, as a client follows them."""
    after = None
    while True:
        window = listing.list_with_totals(connection, chosen, limit=limit, after=after)
        yield window
        after = window.page.next
        if after is None:
            return


@thorough
@given(stored=stored_ones, asked=st.lists(selections, min_size=1, max_size=5), limit=st.integers(1, 4))
async def test_any_filters_in_any_order_give_what_plain_sorting_gives(
    db: Database, stored: list[Stored], asked: list[Selection], limit: int
) -> None:
    def check(connection: Connection) -> None:
        metadata.declare(connection, KEYS)
        put(connection, stored)
        for chosen in asked:
            want = expected(stored, chosen)
            found = list(windows(connection, chosen, limit))
            assert [entry.row.conversation for each in found for entry in each.page.insights] == want
            assert {each.total for each in found} == {len(want)}
            sentiments = Counter(each.insight.analysis.sentiment for each in stored if matches(each, chosen))
            counts = {sentiment: sentiments[sentiment] for sentiment in SENTIMENTS}
            assert found[0].counts == (None if chosen.keyword is None else counts)

    await tried(db, check)


@thorough
@given(stored=stored_ones, chosen=selections, limit=st.integers(1, 4))
async def test_an_export_gives_the_same_rows(
    db: Database, stored: list[Stored], chosen: Selection, limit: int
) -> None:
    def check(connection: Connection) -> None:
        metadata.declare(connection, KEYS)
        put(connection, stored)
        first = listing.list_with_totals(connection, chosen, limit=limit)
        numbers, page = [], first.page
        while True:
            numbers += [entry.row.conversation for entry in page.insights]
            if page.next is None:
                break
            page = listing.list_insights(connection, chosen, limit=limit, total=first.total, after=page.next)
        assert numbers == expected(stored, chosen)

    await tried(db, check)


# --- sorted by a value --------------------------------------------------------------------------------------


def many(count: int) -> list[Insight]:
    """Over 60 days, with scores and confidences that repeat."""
    return [
        an_insight(n, NOON - n * 60 * A_DAY // count, an_analysis((n * 7919) % 201 * 100 - 10_000, n % 101))
        for n in range(1, count + 1)
    ]


def page_of(connection: Connection, chosen: Selection) -> list[int]:
    found = listing.list_with_totals(connection, chosen, limit=10)
    return [entry.row.conversation for entry in found.page.insights]


def test_the_highest_of_many_are_read_along_their_index() -> None:
    """Sorting all of them takes over 60,000 instructions."""
    stored = many(3_000)
    with in_memory() as connection:
        store(connection, stored)
        for sort in (Sort.HIGHEST_SCORE, Sort.LOWEST_SCORE, Sort.MOST_CONFIDENT, Sort.LEAST_CONFIDENT):
            chosen = Selection(NOON - 70 * A_DAY, NOON, sort=sort)
            found, taken = steps(connection, lambda chosen=chosen: page_of(connection, chosen))  # type: ignore[misc]
            assert found == expected([Stored(each, "late", None) for each in stored], chosen)[:10]
            assert taken < 25_000, sort


def test_values_that_lie_outside_the_window_do_not_hide_those_inside() -> None:
    """The index is walked in vain, because all high scores are old; then the window is sorted."""
    old = [an_insight(n, NOON - 50 * A_DAY - n, an_analysis(9_000)) for n in range(1, 801)]
    new = [an_insight(n, NOON - n, an_analysis(-n)) for n in range(1_001, 1_801)]
    chosen = Selection(NOON - A_DAY, NOON, sort=Sort.HIGHEST_SCORE)

    with in_memory() as connection:
        store(connection, [*old, *new])
        assert page_of(connection, chosen) == list(range(1_001, 1_011))


def test_the_scores_of_another_sentiment_are_not_walked_over() -> None:
    negative = [an_insight(n, NOON - n, an_analysis(-9_000)) for n in range(1, 2_001)]
    positive = [an_insight(n, NOON - n, an_analysis(n)) for n in range(2_001, 3_001)]
    chosen = Selection(NOON - A_DAY, NOON, sentiment=1, sort=Sort.LOWEST_SCORE)

    with in_memory() as connection:
        store(connection, [*negative, *positive])
        found, taken = steps(connection, lambda: page_of(connection, chosen))

    assert found == list(range(2_001, 2_011))
    assert taken < 10_000


# --- metadata -----------------------------------------------------------------------------------------------


def filed(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(insight_metadata).order_by(*insight_metadata.c))]


@thorough
@given(before=stored_ones, keys=st.sets(st.sampled_from(KEYS)), limit=st.integers(1, 5))
async def test_insights_are_filed_by_a_new_key_and_no_longer_by_an_old_one(
    db: Database, before: list[Stored], keys: set[str], limit: int
) -> None:
    def check(connection: Connection) -> None:
        metadata.declare(connection, ["plan"])
        put(connection, before)
        while metadata.file_older(connection, limit=limit):
            pass
        metadata.declare(connection, keys)
        assert set(metadata.unfiled_keys(connection)) == keys - {"plan"}
        while metadata.file_older(connection, limit=limit) or metadata.unfile(connection, limit=limit):
            pass
        assert metadata.unfiled_keys(connection) == []
        want = [
            (
                i.conversation,
                key,
                value,
                i.timestamp,
                i.analysis.sentiment,
                i.analysis.confidence,
                i.analysis.score,
            )
            for i, _, sent in before
            for key, value in values_of(sent or "{}", keys)
        ]
        assert filed(connection) == sorted(want)

    await tried(db, check)


async def test_an_insight_that_is_replaced_or_deleted_is_filed_accordingly(db: Database) -> None:
    def check(connection: Connection) -> None:
        metadata.declare(connection, KEYS)
        put(connection, [Stored(an_insight(n), "late", '{"shop": "north"}') for n in (1, 2)])
        writing.store_insights(connection, [an_insight(1, analysis=an_analysis(9_000, 80), revision=2)])
        writing.delete_insights(connection, [2])
        assert filed(connection) == [(1, "shop", "north", NOON, 1, 80, 9_000)]

    await tried(db, check)


def test_values_are_texts_numbers_and_true_or_false() -> None:
    sent = (
        '{"a": "x", "b": 5, "c": 2.5, "d": false, "e": null, "f": [1], "g": {"h": 1}, "i": "'
        + "y" * 256
        + '"}'
    )

    assert dict(values_of(sent, "abcdefgi")) == {"a": "x", "b": "5", "c": "2.5", "d": "false"}
    assert dict(values_of(sent, "b")) == {"b": "5"}


valued = [each for each in Sort if each.by_value]


@thorough
@given(
    stored=stored_ones,
    chosen=selections,
    sort=st.sampled_from(valued),
    limit=st.integers(1, 4),
    skipped=st.integers(0, 5),
)
async def test_value_by_value_a_list_goes_on_as_plain_sorting_says(
    db: Database, stored: list[Stored], chosen: Selection, sort: Sort, limit: int, skipped: int
) -> None:
    asked = replace(chosen, sort=sort, keyword=None, cluster=None)

    def check(connection: Connection) -> None:
        metadata.declare(connection, KEYS)
        put(connection, stored)
        narrowing = Narrowing(connection, as_stored(connection, asked), ALL_TOPICS)
        if (whole := narrowing.leap(None, 99)) is None:
            return  # of more than LEAPS values
        assert [place[-1] for place in whole] == expected(stored, asked)
        after = whole[skipped] if skipped < len(whole) else None
        at = skipped + 1 if after else 0
        assert narrowing.leap(after, limit) == whole[at : at + limit]

    await tried(db, check)


def test_of_a_value_that_very_many_have_only_the_window_is_read() -> None:
    """Walking over all of them, and sorting the window then, takes 100,000 instructions."""
    old = [an_insight(n, NOON - 50 * A_DAY + n, an_analysis(-10_000)) for n in range(1, 3_001)]
    new = [an_insight(n, NOON - n, an_analysis(-10_000 + n % 2)) for n in range(3_001, 5_001)]
    chosen = Selection(NOON - A_DAY, NOON, sort=Sort.LOWEST_SCORE)

    with in_memory() as connection:
        store(connection, [*old, *new])
        narrowing = Narrowing(connection, chosen, ALL_TOPICS)
        found, taken = steps(connection, lambda: narrowing.leap(None, 10))
    assert [place[-1] for place in found or ()] == [*range(5_000, 4_980, -2)]
    assert taken < 3_000


async def test_postgresql_looks_up_the_topic_of_each_entry(db: Database) -> None:
    """A join would read all insights of the topic, of which there may be millions."""
    asked = select(insights.c.conversation).where(under_topic(insights)).params(topic=1)

    def check(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            sql = asked.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            outermost, *_ = connection.exec_driver_sql(f"EXPLAIN {sql}").scalars()
            assert "Scan" in outermost
            assert "Join" not in outermost

    await tried(db, check)


# --- fields -------------------------------------------------------------------------------------------------

# Mostly all of a window and nothing but fields: with other filters in every second question, and five insights on
# average, one range in a hundred left out a number of a bin that it cut, and a wrong count of bins went unseen.
only_fields = st.builds(
    Selection,
    start=rarely(NOON - 75 * A_DAY, timestamps(75)),
    end=rarely(NOON + 1, timestamps(75)),
    sentiment=rarely(None, st.sampled_from([1, -1, 2])),
    min_confidence=rarely(0, st.just(7)),
    cluster=rarely(None, st.sampled_from(SLUGS)),
    sort=st.sampled_from([Sort.NEWEST, Sort.OLDEST, Sort.LOWEST_SCORE]),
    fields=field_filters.filter(bool),
)


@thorough
@given(
    stored=stored_ones.filter(lambda stored: len(stored) > 3),
    asked=st.lists(only_fields, min_size=4, max_size=8),
    limit=st.integers(1, 4),
)
async def test_filters_by_fields_give_what_plain_counting_gives(
    db: Database, stored: list[Stored], asked: list[Selection], limit: int
) -> None:
    def check(connection: Connection) -> None:
        put(connection, stored)
        for chosen in asked:
            want = expected(stored, chosen)
            found = list(windows(connection, chosen, limit))
            assert [entry.row.conversation for each in found for entry in each.page.insights] == want
            assert {each.total for each in found} == {len(want)}

    await tried(db, check)


def test_a_total_by_a_value_reads_no_insights() -> None:
    """Walking over them takes 30,000 instructions."""
    answers = [FIELDS.read({**SAID, "urgency": ("high", "low")[n % 2]}) for n in range(3_000)]
    stored = [
        an_insight(n, NOON - n * A_DAY // 100, an_analysis(fields=each)) for n, each in enumerate(answers, 1)
    ]
    by_value = Selection(NOON - 30 * A_DAY, NOON + 1, fields=(FieldFilter("urgency", "high"),))
    by_number = replace(by_value, fields=(FieldFilter("refund_amount", minimum=10, maximum=20),))

    with in_memory() as connection:
        store(connection, stored)
        for chosen, n in ((by_value, 1_500), (by_number, 3_000)):
            found, taken = steps(
                connection,
                lambda chosen=chosen: listing.list_with_totals(connection, chosen, limit=1),  # type: ignore[misc]
            )
            assert found.total == n
            assert taken < 10_000


async def test_filters_follow_what_is_analysed_again_corrected_and_deleted(db: Database) -> None:
    chosen = Selection(NOON - A_DAY, NOON + A_DAY, fields=(FieldFilter("urgency", "high"),))
    answers = [FIELDS.read({**SAID, "urgency": "high" if n < 4 else "low"}) for n in range(6)]
    stored = [an_insight(n, NOON - n, an_analysis(fields=each)) for n, each in enumerate(answers, 1)]

    def check(connection: Connection) -> None:
        def found(**narrower: Any) -> list[int]:
            window = listing.list_with_totals(connection, replace(chosen, **narrower), limit=10)
            assert window.total == len(window.page.insights)
            return [entry.row.conversation for entry in window.page.insights]

        store(connection, stored)
        assert found() == [1, 2, 3, 4]
        urgent = CHANGED.read({**SAID, "urgency": "high", "refund_amount": 9_000})
        writing.store_insights(
            connection,
            [
                an_insight(1, NOON - 1, an_analysis(fields=answers[5])),
                an_insight(6, NOON - 6, an_analysis(fields=urgent)),
            ],
        )
        assert found() == [2, 3, 4, 6]
        correct(connection, 2, {"sentiment": 1}, by="ana", at=NOON)
        assert found(sentiment=1) == [2]
        assert found(sentiment=-1) == [3, 4, 6]
        writing.delete_insights(connection, [3])
        assert found(fields=(*chosen.fields, FieldFilter("refund_amount", minimum=8_000))) == [6]
        assert found() == [2, 4, 6]
        assert found(fields=(FieldFilter("refund_amount", maximum=12.4),)) == []
        assert found(fields=(FieldFilter("refund_amount", minimum=12.5, maximum=8_999),)) == [1, 2, 4, 5]

    await tried(db, check)
