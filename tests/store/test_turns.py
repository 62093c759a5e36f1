"""What a claim reads of a long chat is enough for the excerpt, and no more than that."""

from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from database import Database
from domain.text import Turn, excerpt_of_turns
from models import conversations, messages
from store.queue import analysis
from tests.support.chat_data import turns
from tests.support.insight_data import store_conversation, thorough, tried
from tests.support.rows import NOW


def store_chat(connection: Connection, said: list[Turn]) -> None:
    """A chat `conv_1` that is due, with these turns."""
    due: dict[str, Any] = {
        "status": "queued",
        "run_at": NOW,
        "is_chat": True,
        "message_count": len(said),
        "said_from": NOW,
    }
    store_conversation(connection, 1, text=said[0][1], **due)
    rest = [
        {"conversation": 1, "position": position, "role": role, "text": text}
        for position, (role, text) in enumerate(said[1:], 2)
    ]
    if rest:
        connection.execute(insert(messages), rest)
    first = messages.update().where(messages.c.position == 1)
    connection.execute(first.values(role=said[0][0]))


roles = st.sampled_from(["customer", "support_agent", None])
lengths = st.sampled_from([1, 1, 3, 9, 40, 400, 3_990, 4_010, 7_990, 8_010, 12_001])
runs = st.lists(st.tuples(roles, lengths, st.sampled_from([1, 2, 90, 450, 900])), min_size=1, max_size=4)


@settings(thorough, max_examples=25)
@given(runs=runs)
@example(runs=[("support_agent", 1, 1_333)])
@example(runs=[("support_agent", 1, 1_334)])
@example(runs=[("support_agent", 1, 445), ("customer", 8_001, 1)])
@example(runs=[("customer", 4_001, 1), ("support_agent", 1, 889)])
async def test_what_is_read_has_the_same_excerpt_as_the_whole(
    db: Database, runs: list[tuple[str | None, int, int]]
) -> None:
    def play(connection: Connection) -> None:
        said = [(role, f"{at % 10}" * length) for role, length, times in runs for at in range(times)][:2_000]
        store_chat(connection, said)

        [job] = analysis.due(connection, limit=1, now=NOW)

        assert excerpt_of_turns(job.turns, str) == excerpt_of_turns(said, str)
        assert job.message_count == len(said)

    await tried(db, play)


@settings(thorough, max_examples=25)
@given(runs=runs, gone=st.tuples(st.integers(0, 1_500), st.integers(0, 1_500)))
async def test_erased_messages_take_nothing_from_the_excerpt(
    db: Database, runs: list[tuple[str | None, int, int]], gone: tuple[int, int]
) -> None:
    said = [(role, f"{at % 10}" * length) for role, length, times in runs for at in range(times)][:2_000]
    first, last = sorted(gone)
    left = [*said[:first], *said[last:]]
    assume(left)

    def play(connection: Connection) -> None:
        store_chat(connection, said)
        erased = messages.delete().where(messages.c.position > first, messages.c.position <= last)
        number = connection.execute(erased).rowcount
        connection.execute(conversations.update().values(erased=number))

        [job] = analysis.due(connection, limit=1, now=NOW)

        assert excerpt_of_turns(job.turns, str) == excerpt_of_turns(left, str)

    await tried(db, play)


async def test_of_fifty_thousand_messages_a_claim_reads_the_ends(db: Database) -> None:
    def play(connection: Connection) -> None:
        said: list[Turn] = [
            ("customer", f"Message {at} of a chat that goes on and on.") for at in range(50_000)
        ]
        store_chat(connection, said)

        [job] = analysis.due(connection, limit=1, now=NOW)

        assert len(job.turns) < 300
        assert (job.turns[0], job.turns[-1]) == (said[0], said[-1])
        assert excerpt_of_turns(job.turns, str) == excerpt_of_turns(said, str)

    await tried(db, play)


async def test_a_short_chat_is_read_in_order(db: Database) -> None:
    def play(connection: Connection) -> None:
        said: list[Turn] = [("customer", f"{at}") for at in range(200)]
        store_chat(connection, said)

        [job] = analysis.due(connection, limit=1, now=NOW)

        assert job.turns == said
        assert len(turns(connection, "conv_1")) == 200
        assert connection.execute(conversations.select()).one().message_count == 200

    await tried(db, play)
