"""Which corrections analyzers are told, and for how long."""

from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import Connection

from database import Database
from domain.buckets import DAY, MICROSECONDS
from domain.corrections import FieldChanges
from domain.examples import MOST_EXAMPLES, PromptExample
from services.examples import FollowedExamples
from store.conversations.records import delete_conversation
from store.insights import correcting, field_filing, writing
from tests.support.field_data import FIELDS, SAID
from tests.support.insight_data import NOON, an_analysis, an_insight, store_conversation

A_DAY = MICROSECONDS[DAY]


@dataclass
class Moment:
    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass
class Followed:
    """Examples as they are followed, and the clock by which they are."""

    db: Database
    clock: Moment = field(default_factory=Moment)

    def __post_init__(self) -> None:
        self.examples = FollowedExamples(self.db, self.clock, lambda text: text.replace("ann", "[name]"))

    async def texts(self) -> list[str]:
        await self.examples.refresh()
        return [each.text for each in self.examples.told.examples]


def wrong(connection: Connection, number: int, confidence: int, *, text: str = "", at: int = NOON) -> None:
    """A conversation that the analyzer got wrong, corrected `at` a time."""
    store_conversation(connection, number, text=text or f"It is late, number {number}")
    writing.store_insights(connection, [an_insight(number, analysis=an_analysis(5_000, confidence))])
    correcting.correct(connection, number, {"sentiment": -1}, by="key:ann", at=at)


@pytest.fixture
def followed(db: Database) -> Followed:
    return Followed(db)


async def test_the_surest_mistakes_of_before_today_are_told_until_midnight(followed: Followed) -> None:
    db, yesterday = followed.db, NOON - A_DAY
    for number, confidence in ((1, 60), (2, 90), (3, 75)):
        await db.write(partial(wrong, number=number, confidence=confidence, at=yesterday))
    told = ["It is late, number 2", "It is late, number 3", "It is late, number 1"]
    assert await followed.texts() == told
    assert followed.examples.told.examples[0] == PromptExample(told[0], -6_000, ("delay",))

    await db.write(partial(wrong, number=4, confidence=99))
    followed.clock.now += 11 * 3_600 * 1_000_000
    assert await followed.texts() == told
    followed.clock.now += 2 * 3_600 * 1_000_000
    assert await followed.texts() == ["It is late, number 4", *told]


async def test_what_was_deleted_or_taken_back_is_left_out_the_same_day(followed: Followed) -> None:
    for number in (1, 2, 3):
        await followed.db.write(partial(wrong, number=number, confidence=90 - number, at=NOON - A_DAY))
    assert len(await followed.texts()) == 3

    await followed.db.write(partial(delete_conversation, id_="conv_1"))
    undo = partial(correcting.correct, number=2, changes={"sentiment": None}, by="key:ann", at=NOON)
    await followed.db.write(undo)

    assert await followed.texts() == ["It is late, number 3"]


async def test_texts_are_told_as_analyzers_are_shown_them_and_long_ones_not(followed: Followed) -> None:
    yesterday = NOON - A_DAY
    await followed.db.write(partial(wrong, number=1, confidence=99, text="late " * 200, at=yesterday))
    await followed.db.write(partial(wrong, number=2, confidence=98, text="I am ann", at=yesterday))
    for number in range(3, 20):
        await followed.db.write(partial(wrong, number=number, confidence=50, at=yesterday))

    told = await followed.texts()
    assert (told[0], len(told)) == ("I am [name]", MOST_EXAMPLES)


async def test_answers_to_fields_are_told_as_they_count_and_texts_as_analyzers_are_shown_them(
    followed: Followed,
) -> None:
    def fill(connection: Connection) -> None:
        field_filing.declare_fields(connection, FIELDS, at=NOON)
        store_conversation(connection, 1)
        analysis = an_analysis(5_000, fields=FIELDS.read(SAID))
        writing.store_insights(connection, [an_insight(1, analysis=analysis)])
        said = FieldChanges({"place": "with ann", "urgency": "low"}, ())
        changes = {"sentiment": -1, "fields": said}
        correcting.correct(connection, 1, changes, by="key:ann", at=NOON - A_DAY)

    await followed.db.write(fill)
    await followed.texts()

    [example] = followed.examples.told.examples
    assert example.fields is not None
    assert example.fields.values == {**SAID, "place": "with [name]", "urgency": "low"}
