"""The chats that searches are measured on: how common their words are, and that each is where it says it is."""

from collections import Counter
from typing import Any

import pytest

from benchmarks.chat_seed import AGENTS, COLUMNS, LONG, USERS, VOCABULARY, Made, agent, user, word
from domain.search_words import words

MESSAGES = 30_000
END = 1_800_000_000_000_000
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def made() -> Rows:
    batches = list(Made(MESSAGES, END).batches())
    return {table: [row for batch in batches for row in batch[table]] for table in COLUMNS}


def test_every_word_is_one_and_its_own() -> None:
    every = [word(rank) for rank in range(1, VOCABULARY + 1)]

    assert len({*every}) == VOCABULARY
    assert words(" ".join(every)) == every


def test_words_are_as_common_as_they_are_said_to_be(made: Rows) -> None:
    found: Counter[str] = Counter()
    for row in made["messages"]:
        found.update({*words(str(row[-1]))})
    shares = {rank: found[word(rank)] / MESSAGES for rank in range(1, VOCABULARY + 1)}

    assert all(0.14 < shares[rank] < 0.21 for rank in (1, 2, 3))
    assert all(0.003 < shares[rank] < 0.02 for rank in (100, 200, 300))
    assert sum(share < 0.01 for share in shares.values()) > 0.98 * VOCABULARY


def test_there_are_as_many_messages_as_asked_for_and_one_long_chat(made: Rows) -> None:
    lengths = Counter(row[0] for row in made["messages"])
    counted = {row[0]: row[8] for row in made["conversations"]}

    assert len(made["messages"]) == MESSAGES
    assert counted == lengths
    assert max(lengths.values()) == LONG
    assert 8 < (MESSAGES - LONG) / (len(lengths) - 1) < 12


def test_who_takes_part_in_a_chat_is_who_wrote_in_it(made: Rows) -> None:
    wrote = {(row[0], row[3]) for row in made["messages"]}
    people = {user(number) for number in range(USERS)} | {agent(number) for number in range(AGENTS)}

    assert {(row[0], row[1]) for row in made["participants"]} == wrote
    assert {author for _, author in wrote} <= people
