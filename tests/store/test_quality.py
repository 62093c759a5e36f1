"""What is drawn to be checked, and what the checks say."""

from collections import Counter
from random import Random

from sqlalchemy import Connection, select

from database import Database
from domain.quality import accuracy_of
from models import quality_items
from store.insights import correcting, writing
from store.insights.quality import Window, draw_sample, evidence, pending
from tests.support.insight_data import (
    A_DAY,
    NOON,
    UNSURE_ANALYSIS,
    an_analysis,
    an_insight,
    store,
    tried,
)

EVER = Window(0, 2 * NOON)
DICE = 5


def check(connection: Connection, number: int, sentiment: int, **more: object) -> None:
    changes = {"sentiment": sentiment, **more}
    correcting.correct(connection, number, changes, by="key:ann", at=NOON)


def drawn(connection: Connection, wanted: int, seed: int = DICE, window: Window = EVER) -> int:
    return draw_sample(connection, window, wanted, Random(seed), now=NOON)  # noqa: S311  nothing is kept secret with it


async def test_a_draw_takes_its_part_of_each_bin_with_the_chance_that_it_notes(db: Database) -> None:
    def play(connection: Connection) -> None:
        sure = [an_insight(n, NOON - n * A_DAY // 30, an_analysis(confidence=95)) for n in range(1, 101)]
        rare = [an_insight(n, NOON - n, an_analysis(confidence=55)) for n in range(101, 105)]
        unsure = [an_insight(n, NOON - n, UNSURE_ANALYSIS) for n in range(105, 120)]
        store(connection, [*sure, *rare, *unsure])
        number = drawn(connection, 24)

        items = connection.execute(select(quality_items)).all()
        found = Counter((each.conversation > 100, each.chance) for each in items)
        assert len(items) == number == 24
        assert sum(n / chance for (_, chance), n in found.items()) == 104
        assert {(is_rare, n) for (is_rare, _), n in found.items()} == {(False, 20), (True, 4)}
        assert {*pending(connection)} == {each.conversation for each in items}

    await tried(db, play)


async def test_every_insight_of_a_bin_can_be_drawn_and_only_of_whole_days(db: Database) -> None:
    def play(connection: Connection) -> None:
        store(connection, [an_insight(n, NOON - n * A_DAY // 2) for n in range(1, 9)])
        midnight = NOON - A_DAY // 2
        window = Window(midnight - 2 * A_DAY - 1, midnight + 1)
        seen = set()
        for seed in range(20):
            drawn(connection, 1, seed, window)
        seen = {*connection.scalars(select(quality_items.c.conversation))}
        assert seen == {2, 3, 4, 5}

    await tried(db, play)


async def test_only_what_was_drawn_measures_and_whoever_was_quicker_has_checked_it(db: Database) -> None:
    def play(connection: Connection) -> None:
        store(connection, [an_insight(n, analysis=an_analysis(-5_000)) for n in range(1, 41)])
        check(connection, 1, 1)
        drawn(connection, 10)
        chosen = {*connection.scalars(select(quality_items.c.conversation))}
        for number in chosen:
            check(connection, number, 1 if number == 1 else -1)
        others = sorted({*range(2, 41)} - chosen)[:5]
        for number in others:
            check(connection, number, 1)

        found = evidence(connection, EVER)
        assert len(found.said) == 10
        assert accuracy_of(each.checked for each in found.said).share == (0.9 if 1 in chosen else 1)
        outside = 5 + (1 not in chosen)
        assert (found.outside, found.disagreeing) == (outside, outside)
        assert pending(connection) == []
        assert evidence(connection, Window(0, NOON)).said == []

    await tried(db, play)


async def test_a_new_analysis_of_a_checked_text_is_measured_beside_the_old_one(db: Database) -> None:
    def play(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=an_analysis(-5_000), analyzer="offline", model="vader")])
        drawn(connection, 1)
        check(connection, 1, 1, clusters=("refund",))
        writing.store_insights(connection, [an_insight(1, analysis=an_analysis(5_000, clusters=["refund"]))])

        said = evidence(connection, EVER).said
        told = [(each.maker.analyzer, each.checked.agrees, each.clusters, each.is_newest) for each in said]
        assert told == [("grok", True, ["refund"], True), ("offline", False, ["delay"], False)]
        assert [each.right_clusters for each in said] == [["refund"], ["refund"]]

    await tried(db, play)


async def test_what_has_grown_or_gone_waits_no_more_and_all_is_drawn_once_at_most(db: Database) -> None:
    def play(connection: Connection) -> None:
        store(connection, [an_insight(1), an_insight(2), an_insight(3)])
        assert drawn(connection, 50) == 3
        assert drawn(connection, 50) == 0
        writing.store_insights(connection, [an_insight(1, revision=2)])
        writing.delete_insights(connection, [2])
        assert pending(connection) == [3]
        assert drawn(connection, 50) == 2
        assert {*pending(connection)} == {1, 3}
        assert drawn(connection, 50) == 0

    await tried(db, play)


async def test_what_was_drawn_of_other_days_keeps_no_window_from_being_drawn(db: Database) -> None:
    def play(connection: Connection) -> None:
        old = [an_insight(n, NOON - 9 * A_DAY) for n in range(1, 21)]
        store(connection, [*old, an_insight(21), an_insight(22)])
        midnight = NOON - A_DAY // 2
        assert drawn(connection, 50, window=Window(0, midnight)) == 20
        today = Window(midnight, midnight + A_DAY)
        assert drawn(connection, 50, window=today) == 2
        assert drawn(connection, 50, window=today) == 0

    await tried(db, play)
