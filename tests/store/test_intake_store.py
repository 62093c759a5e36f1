"""A group in one transaction: each item gets its own answer, whatever its neighbours are."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from database import Database
from models import conversations, messages
from store.conversations.intake import (
    Accepted,
    Conflict,
    IntakeOutcome,
    NewConversation,
    NewMessage,
    accept,
)
from store.conversations.records import get_conversation
from tests.support.insight_data import thorough, tried
from tests.support.rows import NOW, new, statuses, stored, take_in

A, B = b"a" * 32, b"b" * 32
WRITERS, ROUNDS, SIZE = 4, 10, 100


def ids(connection: Connection) -> list[str]:
    return [*statuses(connection)]


def how_many_messages(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(messages)) or 0


async def test_a_conversation_is_stored_as_it_was_handed_over(db: Database) -> None:
    turns = [
        NewMessage("Hi 😀", "someone", "customer", NOW - 5, "m1"),
        NewMessage("Hello", None, "support_agent"),
        NewMessage("'; DROP TABLE messages; --"),
    ]
    row = new(
        "mine",
        messages=turns,
        is_chat=True,
        timestamp=NOW - 7,
        author="someone",
        external_id="e",
        idempotency_key="k",
        content_hash=A,
        raw_data='{"a":1}',
        metadata='{"b":2}',
    )
    await db.write(lambda connection: take_in(connection, row))

    found = await db.read(lambda connection: get_conversation(connection, "mine"))
    assert found is not None
    kept = found.conversation
    assert (kept.author, kept.external_id, kept.idempotency_key) == ("someone", "e", "k")
    assert (kept.timestamp, kept.received_at, kept.is_chat) == (NOW - 7, NOW, True)
    assert (kept.content_hash, kept.raw_data, kept.metadata) == (A, '{"a":1}', '{"b":2}')
    assert (kept.status, kept.run_at, kept.lease, kept.failures, kept.attempts) == ("queued", NOW, None, 0, 0)
    said = [
        NewMessage(each.text, each.author, each.role, each.timestamp, each.message_id)
        for each in found.messages
    ]
    assert said == turns
    assert [each.position for each in found.messages] == [1, 2, 3]


async def test_intake_numbers_follow_the_order_in_which_posts_without_ids_were_sent(db: Database) -> None:
    group = [new(f"{random.Random(at).random()}") for at in range(300)]  # noqa: S311  no secret

    await db.write(lambda connection: take_in(connection, *group))

    assert await db.read(ids) == [each.id for each in group]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_on_sqlite_intake_numbers_follow_the_order_of_any_group(db: Database) -> None:
    group = [new(f"c{at}", external_id=f"{(at * 37) % 101}", content_hash=A) for at in range(101)]

    await db.write(lambda connection: take_in(connection, *group))

    assert await db.read(ids) == [each.id for each in group]


async def test_a_group_that_clashes_in_every_way_gets_every_answer_right(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(
            connection,
            new("by_e", external_id="e", content_hash=A),
            new("by_k", idempotency_key="k", content_hash=A),
            new("chosen", content_hash=A),
            new("conv_made"),
        )
        group: list[tuple[NewConversation, IntakeOutcome]] = [
            (new("n0"), Accepted("n0", True)),
            (new("n1", external_id="e", content_hash=A), Accepted("by_e", False)),
            (new("n2", external_id="e", content_hash=B), Conflict("by_e")),
            (new("n3", idempotency_key="k", content_hash=A), Accepted("by_k", False)),
            (new("n4", idempotency_key="k", content_hash=B), Conflict("by_k")),
            (new("chosen", content_hash=A), Accepted("chosen", False)),
            (new("chosen", content_hash=B), Conflict("chosen")),
            (new("chosen", external_id="e", content_hash=A), Conflict("chosen")),
            (new("n5", external_id="e", idempotency_key="k", content_hash=A), Conflict("by_e")),
            (new("n6", external_id="e", idempotency_key="new", content_hash=A), Accepted("by_e", False)),
            (new("conv_made", content_hash=A), Conflict("conv_made")),
            (new("twin1", external_id="t", content_hash=A), Accepted("twin1", True)),
            (new("twin2", external_id="t", content_hash=A), Accepted("twin1", False)),
            (new("twin3", external_id="t", content_hash=B), Conflict("twin1")),
            (new("same", content_hash=A), Accepted("same", True)),
            (new("same", content_hash=A), Accepted("same", False)),
            (new("same", content_hash=B), Conflict("same")),
            (new("n7"), Accepted("n7", True)),
            # An id is one thing, an external_id of the same spelling another.
            (new("n8", external_id="chosen", content_hash=B), Accepted("n8", True)),
            (new("n9", external_id="k", content_hash=B), Accepted("n9", True)),
        ]
        before = how_many_messages(connection)

        answers = accept(connection, [each for each, _ in group])

        assert answers == [answer for _, answer in group]
        created = {answer.id for answer in answers if isinstance(answer, Accepted) and answer.created}
        assert created == {"n0", "twin1", "same", "n7", "n8", "n9"}
        assert {*ids(connection)} == {"by_e", "by_k", "chosen", "conv_made"} | created
        assert how_many_messages(connection) == before + len(created)

    await tried(db, play)


async def test_a_clash_changes_nothing_of_what_is_stored(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c", external_id="e", content_hash=A))
        before = stored(connection, "c")

        accept(connection, [new("d", "Other content than before", external_id="e", content_hash=B)])
        accept(connection, [new("d", external_id="e", content_hash=A, received_at=NOW + 9)])

        assert stored(connection, "c") == before
        assert how_many_messages(connection) == 1

    await tried(db, play)


async def test_a_conversation_without_an_id_of_the_senders_is_never_a_duplicate(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("conv_1"), new("conv_2"))

        # Nobody knows what conv_1 was sent as, so nothing can be the same.
        assert accept(connection, [new("conv_1")]) == [Conflict("conv_1")]

    await tried(db, play)


small = st.integers(0, 2)
senders = st.tuples(small, st.none() | small, st.none() | small, st.sampled_from([A, B]))


@thorough
@given(groups=st.lists(st.lists(senders, min_size=1, max_size=6), min_size=1, max_size=3))
async def test_whoever_shares_an_id_shares_a_conversation_or_clashes(
    db: Database, groups: list[list[tuple[int, int | None, int | None, bytes]]]
) -> None:
    def play(connection: Connection) -> None:
        for group in groups:
            rows = [
                new(
                    f"c{own}",
                    external_id=None if external is None else f"e{external}",
                    idempotency_key=None if key is None else f"k{key}",
                    content_hash=content,
                )
                for own, external, key, content in group
            ]
            check(connection, rows, accept(connection, rows))

    await tried(db, play)


def check(connection: Connection, rows: list[NewConversation], answers: list[IntakeOutcome]) -> None:
    """Each answer follows from what is stored when all have been answered."""
    for row, answer in zip(rows, answers, strict=True):
        same = [each for each in connection.execute(select(conversations)) if shares(row, each)]
        assert answer.id in {each.id for each in same}
        if isinstance(answer, Accepted):
            [only] = same
            assert only.content_hash == row.content_hash
        else:
            assert len(same) > 1 or same[0].content_hash != row.content_hash
    created = Counter(each.id for each in answers if isinstance(each, Accepted) and each.created)
    assert all(times == 1 for times in created.values())
    assert how_many_messages(connection) == len(statuses(connection))


def shares(row: NewConversation, each: object) -> bool:
    names = ("id", "external_id", "idempotency_key")
    return any(getattr(row, name) is not None and getattr(row, name) == getattr(each, name) for name in names)


async def test_a_bulk_of_duplicates_is_answered_in_order(db: Database) -> None:
    group = [new(f"c{at}", external_id=f"e{at}", content_hash=A) for at in range(500)]
    await db.write(lambda connection: take_in(connection, *group))
    again = [each._replace(id=f"d{at}") for at, each in enumerate(group)]

    answers = await db.write(lambda connection: accept(connection, again))

    assert answers == [Accepted(each.id, created=False) for each in group]


def known_by(name: str, own: tuple[str, ...], writer: int) -> NewConversation:
    """The same conversation, posted by this writer."""
    if not own:
        return new(name, content_hash=A)
    return new(f"{name}.{writer}", content_hash=A, **dict.fromkeys(own, name))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "own",
    [(), ("external_id",), ("idempotency_key",), ("external_id", "idempotency_key")],
    ids=lambda own: "+".join(own) or "conversation_id",
)
async def test_racing_writers_with_shuffled_ids_neither_fail_nor_disagree(
    server_url: URL, own: tuple[str, ...]
) -> None:
    """With `sorted` taken out of the inserts PostgreSQL reports deadlocks here."""
    dice = random.Random(11)  # noqa: S311  no secret
    engine = create_async_engine(server_url, pool_size=WRITERS)
    together = asyncio.Barrier(WRITERS)

    async def write(writer: int) -> list[IntakeOutcome]:
        answers: list[IntakeOutcome] = []
        for turn in range(ROUNDS):
            rows = [known_by(f"{turn}.{at}", own, writer) for at in range(SIZE)]
            dice.shuffle(rows)
            async with engine.begin() as connection:
                await together.wait()
                answers += await connection.run_sync(accept, rows)
        return answers

    try:
        answers = [each for some in await asyncio.gather(*map(write, range(WRITERS))) for each in some]
    finally:
        await engine.dispose()
    assert all(isinstance(each, Accepted) for each in answers)
    assert sum(isinstance(each, Accepted) and each.created for each in answers) == ROUNDS * SIZE
    assert len({each.id for each in answers}) == ROUNDS * SIZE
