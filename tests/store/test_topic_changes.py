"""Topics are renamed, hidden, merged and all of it taken back: every count equals a recount at each moment."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from core.errors import BadTopicChange, NoSuchTopic, TopicConflict
from database import Database
from models import FIRST_UNION, counts, topic_names, topic_unions, topics, totals
from store.insights import pages, windows, writing
from store.insights.listing import list_with_totals
from store.insights.top_topics import TopicEffort
from store.insights.trends import trends
from store.insights.windows import Selection, Sort
from store.insights.writing import Insight
from store.topics import catalogue, changes, merging, splitting, sweeping
from store.topics.changes import By
from store.topics.seeding import seed
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_conversation,
    thorough,
    timestamps,
    total_of,
    tried,
)
from tests.support.recount import assert_counted
from tests.support.topic_model import NAMES, Model, Moves, is_idle

ME = By("key:me", NOON)
ALWAYS = Selection(NOON - 100 * A_DAY, NOON + A_DAY)
CONVERSATIONS = 8


def edited(connection: Connection, name: str, **new: str | None) -> catalogue.Topic:
    return changes.edit(connection, name, new, ME)


def merged(connection: Connection, sources: list[str], into: str, *, at_once: int = 100) -> None:
    """Merge topics to the end."""
    found, target = merging.to_merge(connection, sources, into)
    members = [m for each in (target, *found) for m in merging.members(connection, each.number)]
    union = merging.begin_union(connection, members)
    while not merging.build_some(connection, union, at_once)[1]:
        pass
    merging.switch(connection, union, [each.number for each in found], target.number, ME)


def undone(connection: Connection, *, at_once: int = 100) -> None:
    """Take the last change back to the end."""
    change = changes.last(connection)
    if change.kind == changes.EDIT:
        changes.undo_edit(connection, change, ME)
        return
    if change.kind == changes.SPLIT:
        while splitting.move_back(connection, change.number, 1, now=NOON):
            pass
        splitting.end_undo(connection, ME)
        return
    unions = {}
    for group in merging.unions_needed(change):
        union = unions[group["number"]] = merging.begin_union(connection, group["members"])
        while not merging.build_some(connection, union, at_once)[1]:
            pass
    merging.undo(connection, change, unions, ME)


def swept(connection: Connection) -> None:
    while sweeping.sweep_some(connection, 3):
        pass


def shown(connection: Connection) -> list[list[str]]:
    """The topics of all insights as a list shows them, oldest first."""
    page = list_with_totals(connection, replace(ALWAYS, sort=Sort.OLDEST), limit=1_000).page
    return [list(entry.clusters) for entry in page.insights]


FILED = [
    an_insight(number, NOON - number * AN_HOUR, an_analysis(clusters=clusters))
    for number, clusters in enumerate((("delay",), ("refund",), ("delay", "refund"), ("praise",)), 1)
]


def stored(connection: Connection) -> None:
    store(connection, FILED)


# --- one after the other ------------------------------------------------------------------------------------


async def test_a_renamed_topic_is_shown_by_its_new_slug_and_found_by_both(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        edited(connection, "delay", slug="late", label="Too late")
        assert shown(connection) == [["praise"], ["late", "refund"], ["refund"], ["late"]]
        for name in ("late", "delay", "too_late"):
            assert total_of(connection, replace(ALWAYS, cluster=name)) == 2
        again = an_insight(5, NOON, an_analysis(clusters=("late", "delay")))
        store(connection, [again])
        assert total_of(connection, replace(ALWAYS, cluster="late")) == 3
        assert_counted(connection, [*FILED, again], ())

    await tried(db, play)


async def test_merged_topics_are_one_and_a_conversation_with_both_counts_once(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        merged(connection, ["refund"], "delay")
        assert shown(connection) == [["praise"], ["delay"], ["delay"], ["delay"]]
        for name in ("delay", "refund"):
            assert total_of(connection, replace(ALWAYS, cluster=name)) == 3
        found = trends(connection, ALWAYS.start, ALWAYS.end, cluster=None, now=NOON)
        assert found.top_topics == [("delay", 3), ("praise", 1)]
        assert "refund" not in catalogue.told_topics(connection)
        undone(connection)
        assert shown(connection) == [["praise"], ["delay", "refund"], ["refund"], ["delay"]]
        swept(connection)
        assert_counted(connection, FILED, ())

    await tried(db, play)


async def test_a_merge_of_a_merge_is_undone_step_by_step(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        edited(connection, "refund", state="hidden")
        merged(connection, ["refund"], "delay", at_once=1)
        merged(connection, ["delay"], "praise", at_once=1)
        assert total_of(connection, replace(ALWAYS, cluster="refund")) == 4
        undone(connection)
        assert [total_of(connection, replace(ALWAYS, cluster=name)) for name in ("refund", "praise")] == [
            3,
            1,
        ]
        undone(connection)
        assert catalogue.get(connection, changes.topic_named(connection, "refund").number).state == "hidden"
        undone(connection)
        assert {topic.state for topic in catalogue.page(connection, limit=9)} == {"active"}
        with pytest.raises(TopicConflict, match="no change"):
            undone(connection)
        swept(connection)
        assert_counted(connection, FILED, ())
        assert connection.execute(select(totals).where(totals.c.topic >= FIRST_UNION)).all() == []

    await tried(db, play)


async def test_an_undone_rename_gives_the_name_up_unless_it_was_used(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        for name in ("unused", "used"):
            edited(connection, "delay", slug=name)
            if name == "used":
                store(connection, [an_insight(9, NOON, an_analysis(clusters=("used",)))])
            undone(connection)
        names = {*connection.scalars(select(topic_names.c.name))}
        assert names == {"delay", "refund", "praise", "used"}
        assert shown(connection)[-1] == ["delay"]
        topic = changes.topic_named(connection, "used")
        assert (topic.slug, topic.edited) == ("delay", False)

    await tried(db, play)


async def test_a_hidden_topic_is_counted_but_not_among_the_top(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, {"delay": "late"}, now=NOON)
        stored(connection)
        edited(connection, "delay", state="hidden")
        found = trends(connection, ALWAYS.start, ALWAYS.end, cluster=None, now=NOON)
        assert found.top_topics == [("refund", 2), ("praise", 1)]
        assert total_of(connection, replace(ALWAYS, cluster="delay")) == 2
        assert dict(catalogue.told_topics(connection)) == {}

    await tried(db, play)


async def test_what_does_not_go_is_refused(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        edited(connection, "praise", label="Kind words", parent="delay")
        refusals: list[tuple[type[Exception], dict[str, Any]]] = [
            (TopicConflict, {"slug": "refund"}),
            (TopicConflict, {"label": "Refund"}),
            (TopicConflict, {"label": "kind words"}),
            (BadTopicChange, {"label": "!"}),
            (BadTopicChange, {"parent": "nobody"}),
            (BadTopicChange, {"parent": "delay"}),
            (BadTopicChange, {"parent": "praise"}),
        ]
        for error, new in refusals:
            with pytest.raises(error):
                changes.edit(connection, "delay", new, ME)
        with pytest.raises(NoSuchTopic):
            edited(connection, "nobody", slug="x")
        with pytest.raises(BadTopicChange):
            merging.to_merge(connection, ["refund", "delay"], "delay")
        id_ = changes.topic_named(connection, "refund").id
        merged(connection, ["refund"], "delay")
        with pytest.raises(TopicConflict, match="is merged into"):
            edited(connection, id_, slug="x")

    await tried(db, play)


async def test_a_topic_that_is_merged_into_one_below_it_leaves_that_at_the_top(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        edited(connection, "refund", parent="delay")
        edited(connection, "praise", parent="refund")
        merged(connection, ["delay"], "praise")
        praise, refund = changes.topic_named(connection, "praise"), changes.topic_named(connection, "refund")
        assert (praise.parent, refund.parent) == (None, praise.number)
        undone(connection)
        assert changes.topic_named(connection, "praise").parent == refund.number

    await tried(db, play)


async def test_history_tells_what_was_done_to_each_topic(db: Database) -> None:
    def play(connection: Connection) -> None:
        stored(connection)
        edited(connection, "delay", description="late")
        merged(connection, ["refund"], "delay")
        undone(connection)
        numbers = [changes.topic_named(connection, name).number for name in ("delay", "refund", "praise")]
        found = [changes.history(connection, number, limit=9) for number in numbers]
        assert [[change.kind for change in each] for each in found] == [["merge", "edit"], ["merge"], []]
        assert [change.undone_by for change in found[0]] == ["key:me", None]

    await tried(db, play)


# --- any sequence -------------------------------------------------------------------------------------------


SPANS = [(NOON - 100 * A_DAY, NOON + A_DAY), (NOON - 31 * A_DAY - 7, NOON - AN_HOUR // 3)]
picks = st.integers(0, 9)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.tuples(st.integers(1, CONVERSATIONS), analyses), max_size=4)),
        st.tuples(st.just("remove"), st.lists(st.integers(1, CONVERSATIONS), max_size=2, unique=True)),
        st.tuples(st.just("rename"), st.tuples(picks, picks)),
        st.tuples(st.just("hide"), picks),
        st.tuples(st.just("begin"), st.tuples(picks, picks)),
        st.tuples(st.just("build"), st.integers(1, 3)),
        st.tuples(st.just("switch"), st.none()),
        st.tuples(
            st.just("split"), st.tuples(picks, st.sets(st.integers(1, CONVERSATIONS), min_size=1, max_size=4))
        ),
        st.tuples(st.just("undo"), st.none()),
        st.tuples(st.just("sweep"), st.integers(1, 9)),
    ),
    max_size=14,
)


@settings(thorough, max_examples=25)
@given(
    said_at=st.lists(timestamps(), min_size=CONVERSATIONS, max_size=CONVERSATIONS),
    steps=steps,
)
async def test_every_count_equals_a_recount_whatever_is_done(
    db: Database, said_at: list[int], steps: list[tuple[str, Any]]
) -> None:
    def play(connection: Connection) -> None:
        model = Model()
        seed(connection, dict.fromkeys(NAMES, ""), now=NOON)
        for number, at in enumerate(said_at, 1):
            store_conversation(connection, number, at)
        for what, given_ in steps:
            if not is_idle(model, what, given_):
                do(connection, model, what, given_, said_at)
                check(connection, model)

    await tried(db, play)


def do(connection: Connection, model: Model, what: str, given_: Any, said_at: list[int]) -> None:
    match what:
        case "put":
            new = [an_insight(number, said_at[number - 1], analysis) for number, analysis in given_]
            writing.store_insights(connection, new)
            model.filed |= {each.conversation: each for each in new}
        case "remove":
            writing.delete_insights(connection, given_)
            model.filed = {number: each for number, each in model.filed.items() if number not in given_}
        case "rename" | "hide":
            edit_one(connection, model, what, given_)
        case "begin" | "build" | "switch":
            merge_on(connection, model, what, given_)
        case "split":
            split_one(connection, model, *given_)
        case "undo":
            undone(connection, at_once=2)
            model.take_back()
        case "sweep":
            sweeping.sweep_some(connection, given_)
        case _:
            pass


def split_one(connection: Connection, model: Model, place: int, numbers: set[int]) -> None:
    one, new = model.shown[place % len(model.shown)], f"split_{len(model.names)}"
    number = changes.topic_named(connection, model.slug[one]).number
    change, into = splitting.make(connection, number, new, "words", ME)
    splitting.move(connection, numbers, change, number, into, now=NOON)
    moves: Moves = {}
    for each in numbers & model.filed.keys():
        was = model.filed[each].analysis.clusters
        is_ = tuple(dict.fromkeys(new if model.under[model.names[name]] == one else name for name in was))
        if is_ != was:
            moves[each] = was, is_
    model.keep(moves)
    for each, (_, is_) in moves.items():
        model.file(each, is_)
    model.names[new] = model.under[new] = model.slug[new] = new


def edit_one(connection: Connection, model: Model, what: str, given_: Any) -> None:
    place = given_ if what == "hide" else given_[0]
    one = model.shown[place % len(model.shown)]
    if what == "rename":
        name = f"{one}_{given_[1]}"
        if name == model.slug[one]:
            return
        model.keep()
        edited(connection, model.slug[one], slug=name)
        model.slug[one] = name
    else:
        model.keep()
        state = "active" if one in model.hidden else "hidden"
        edited(connection, model.slug[one], state=state)
        model.hidden ^= {one}


def merge_on(connection: Connection, model: Model, what: str, given_: Any) -> None:
    if what == "begin" and model.open is None:
        source, into = (model.shown[place % len(model.shown)] for place in given_)
        if source != into:
            members = [
                number
                for each in (source, into)
                for number in merging.members(
                    connection, changes.topic_named(connection, model.slug[each]).number
                )
            ]
            model.open = merging.begin_union(connection, members), [source], into
    elif what == "build" and model.open is not None:
        merging.build_some(connection, model.open[0], given_)
    elif what == "switch" and model.open is not None:
        union, sources, into = model.open
        while not merging.build_some(connection, union, 2)[1]:
            pass
        numbers = [changes.topic_named(connection, model.slug[each]).number for each in (into, *sources)]
        merging.switch(connection, union, numbers[1:], numbers[0], ME)
        model.keep()
        model.under = {each: into if top in sources else top for each, top in model.under.items()}
        model.hidden -= {*sources}
        model.open = None


def check(connection: Connection, model: Model) -> None:
    """Every count and list, in all of the time and in a window that cuts its buckets."""
    insights = sorted(model.filed.values(), key=lambda each: (each.timestamp, each.conversation))
    assert_counted(connection, insights, ())
    assert shown(connection) == [model.topics_of(each) for each in insights]
    for start, end in SPANS:
        within = [each for each in insights if start <= each.timestamp < end]
        tops = Counter(slug for each in within for slug in model.topics_of(each))
        for one in model.shown:
            chosen = Selection(start, end, cluster=model.slug[one], sort=Sort.OLDEST)
            mine = [each for each in within if model.slug[one] in model.topics_of(each)]
            check_topic(connection, chosen, mine)
        visible = Counter({slug: n for slug, n in tops.items() if slug not in hidden_slugs(model)})
        best = sorted(visible.items(), key=lambda each: (-each[1], each[0]))[:10]
        # What no roll-up distinguishes is counted insight by insight.
        found = trends(connection, start, end, cluster=None, now=end, min_confidence=1)
        sure = Counter(
            slug for each in within if each.analysis.confidence > 0 for slug in {*model.topics_of(each)}
        )
        seen = [each for each in sure.items() if each[0] not in hidden_slugs(model)]
        assert found.top_topics == sorted(seen, key=lambda each: (-each[1], each[0]))[:10]
        for effort in (TopicEffort(), TopicEffort(one_in=1, candidates=1, rows_per_candidate=0)):
            found = trends(connection, start, end, cluster=None, now=end, effort=effort)
            assert found.top_topics == best


def hidden_slugs(model: Model) -> set[str]:
    return {model.slug[one] for one in model.hidden}


def check_topic(connection: Connection, chosen: Selection, mine: list[Insight]) -> None:
    number = windows.topic_number(connection, chosen.cluster)
    assert number is not None
    places = [(each.timestamp, each.conversation) for each in mine]
    assert pages.find_positions(connection, chosen, number, limit=99) == places
    for narrower in (chosen, replace(chosen, min_confidence=50), replace(chosen, sentiment=-1)):
        expected = [each for each in mine if matches(each, narrower)]
        assert total_of(connection, narrower) == len(expected)
        by_maker = replace(narrower, analyzer="grok", sort=Sort.LOWEST_SCORE)
        listed = list_with_totals(connection, by_maker, limit=99)
        assert listed.total == len(expected)
        ordered = sorted(expected, key=lambda each: (each.analysis.score, each.timestamp, each.conversation))
        assert [entry.row.conversation for entry in listed.page.insights] == [
            each.conversation for each in ordered
        ]
    found = trends(connection, chosen.start, chosen.end, cluster=chosen.cluster, now=NOON)
    assert sum(found.counts.values()) == len(mine)
    assert sum(point.score_sum for point in found.series) == sum(each.analysis.score for each in mine)

    one_by_one = trends(
        connection, chosen.start, chosen.end, cluster=chosen.cluster, now=NOON, min_confidence=1
    )
    assert sum(one_by_one.counts.values()) == sum(each.analysis.confidence > 0 for each in mine)


def matches(each: Insight, chosen: Selection) -> bool:
    wanted = chosen.sentiment in (None, each.analysis.sentiment)
    return wanted and each.analysis.confidence >= chosen.min_confidence


async def test_a_union_is_counted_by_steps_of_any_size(db: Database) -> None:
    same = [an_insight(number, NOON, an_analysis(clusters=("delay", "refund"))) for number in range(1, 12)]

    def play(connection: Connection) -> None:
        store(connection, same)
        numbers = [changes.topic_named(connection, name).number for name in ("delay", "refund")]
        union = merging.begin_union(connection, numbers)
        while not merging.build_some(connection, union, 2)[1]:
            assert_counted(connection, same, ())
        assert_counted(connection, same, ())
        assert merging.drop(connection, [union])
        connection.execute(update(topic_unions).values(state="dropped"))
        swept(connection)
        assert connection.execute(select(counts).where(counts.c.topic == union)).all() == []
        assert connection.scalars(select(topic_unions.c.state)).all() == ["gone"]
        assert connection.scalars(select(topics.c.state).distinct()).all() == ["active"]

    await tried(db, play)
