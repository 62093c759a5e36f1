"""Reply chains put back together: every tweet in exactly one conversation, in order, within the limits."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.importers import numbers
from client.importers.conversations import Conversation
from client.importers.rows import Rejected, Row, Table, opened
from client.importers.threads import Threads

TWCS = Path(__file__).parents[3] / "shared" / "data" / "twcs_5000.csv"
START = datetime(2026, 11, 1, tzinfo=UTC)

Body = Mapping[str, Any]


def tweet(tweet_id: int | str, **fields: str) -> Row:
    """A row as it comes from the file, its line the tweet's id where that is a number."""
    line = tweet_id if isinstance(tweet_id, int) else 0
    return Row(line, {"tweet_id": str(tweet_id), "text": f"tweet {tweet_id}", **fields})


def rejections(rows: Sequence[Row]) -> list[Rejected]:
    with closing(Threads()) as threads:
        at_once = [threads.take(row) for row in rows]
        found = [*at_once, *threads.conversations()]
        return [each for each in found if isinstance(each, Rejected)]


def assembled(rows: Sequence[Row], *, max_turns: int = 1_000, max_bytes: int = 1_000_000) -> list[Body]:
    with closing(Threads(max_turns=max_turns, max_bytes=max_bytes)) as threads:
        for row in rows:
            threads.take(row)
        return list(bodies(threads))


def bodies(threads: Threads) -> Iterator[Body]:
    for record in threads.conversations():
        assert isinstance(record, Conversation)
        yield json.loads(record.body)


def ids(body: Body) -> list[int]:
    return [int(message["message_id"]) for message in body["messages"]]


def minutes(count: int) -> str:
    return (START + timedelta(minutes=count)).strftime("%a %b %d %H:%M:%S %z %Y")


@st.composite
def reply_graphs(draw: st.DrawFn) -> list[Row]:
    """Tweets in any order; each may reply to any other or to a missing one, and name those that reply to it."""
    names = draw(st.lists(st.integers(1, 5_000), min_size=1, max_size=40, unique=True))
    near = st.sampled_from(names) | st.integers(5_001, 5_010)
    return [
        tweet(
            name,
            created_at=minutes(draw(st.integers(0, 5))),
            in_response_to_tweet_id=draw(st.just("") | near.map(lambda other: f"{other}.0")),
            # Four digits each: a list of these is no grouped number.
            response_tweet_id=",".join(f"{other:04}" for other in draw(st.lists(near, max_size=3))),
        )
        for name in names
    ]


def components(rows: Sequence[Row]) -> set[frozenset[int]]:
    """The plain way: two sets that a reply connects become one."""
    sets = {row.line: {row.line} for row in rows}
    parents = {row.line: row.fields["in_response_to_tweet_id"].removesuffix(".0") for row in rows}

    def connect(one: int, other: str) -> None:
        if other and int(other) in sets:
            union = sets[one] | sets[int(other)]
            sets.update(dict.fromkeys(union, union))

    for row in rows:
        connect(row.line, parents[row.line])
        for listed in filter(None, row.fields["response_tweet_id"].split(",")):
            if parents.get(int(listed)) in ("", str(row.line)):
                connect(row.line, listed)
    return {frozenset(members) for members in sets.values()}


@settings(deadline=None)
@given(reply_graphs())
def test_a_conversation_is_a_connected_component_of_replies(rows: list[Row]) -> None:
    conversations = assembled(rows)

    assert sorted(map(sorted, (ids(body) for body in conversations))) == sorted(map(sorted, components(rows)))
    assert [body["external_id"] for body in conversations] == [
        str(smallest) for smallest in sorted(map(min, components(rows)))
    ]


@settings(deadline=None)
@given(reply_graphs())
def test_turns_are_ordered_by_time_then_id(rows: list[Row]) -> None:
    times = {row.line: datetime.strptime(row.fields["created_at"], "%a %b %d %H:%M:%S %z %Y") for row in rows}

    for body in assembled(rows):
        assert ids(body) == sorted(ids(body), key=lambda name: (times[name], name))


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=40),
    max_turns=st.integers(1, 10),
    max_bytes=st.integers(700, 3_000),
)
def test_parts_keep_the_limits_and_lose_nothing(sizes: list[int], max_turns: int, max_bytes: int) -> None:
    rows = [
        tweet(5000 + n, text="é" * (size // 2 + 1), in_response_to_tweet_id=str(5000 + n - 1))
        for n, size in enumerate(sizes)
    ]

    parts = assembled(rows, max_turns=max_turns, max_bytes=max_bytes)

    assert [name for part in parts for name in ids(part)] == [row.line for row in rows]
    for part in parts:
        assert len(part["messages"]) <= max_turns
        assert len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()) <= max_bytes


def test_a_thread_in_parts_numbers_them_and_keeps_their_ids_apart() -> None:
    rows = [tweet(5000 + n, in_response_to_tweet_id="5000") for n in range(5)]

    parts = assembled(rows, max_turns=2)

    assert [part["external_id"] for part in parts] == ["5000", "5000:2", "5000:3"]
    assert [part["metadata"] for part in parts] == [{"part": 1}, {"part": 2}, {"part": 3}]
    assert "metadata" not in assembled(rows, max_turns=5)[0]


def test_a_part_is_as_long_as_the_limit_allows() -> None:
    rows = [tweet(5000 + n, in_response_to_tweet_id="5000") for n in range(1_001)]

    assert [len(part["messages"]) for part in assembled(rows)] == [1_000, 1]


def test_a_tweet_becomes_a_turn_with_everything_that_is_known_of_it() -> None:
    row = tweet(7, author_id="4711", inbound="False", created_at="Tue Oct 31 22:10:47 +0000 2017", text="Hi")

    assert assembled([row])[0]["messages"] == [
        {
            "text": "Hi",
            "author": "4711",
            "role": "support_agent",
            "timestamp": "2017-10-31T22:10:47+00:00",
            "message_id": "7",
        }
    ]


@pytest.mark.parametrize(
    ("inbound", "role"), [("True", "customer"), ("TRUE", "customer"), ("0", "support_agent"), ("", None)]
)
def test_inbound_says_who_speaks(inbound: str, role: str | None) -> None:
    assert assembled([tweet(1, inbound=inbound)])[0]["messages"][0].get("role") == role


def test_what_the_brand_says_alone_is_a_conversation_too() -> None:
    rows = [tweet(1, inbound="False"), tweet(2, inbound="False", in_response_to_tweet_id="1.0")]

    assert [ids(body) for body in assembled(rows)] == [[1, 2]]


def test_a_reply_whose_parent_is_missing_stands_for_itself() -> None:
    rows = [tweet(1, in_response_to_tweet_id="99"), tweet(2, in_response_to_tweet_id="99")]

    assert [ids(body) for body in assembled(rows)] == [[1], [2]]


@pytest.mark.parametrize("nothing", ["nan", "0", "-1", "1.2E+17", "99999999999999999999"])
def test_what_is_no_tweet_id_connects_nothing(nothing: str) -> None:
    rows = [tweet(n, in_response_to_tweet_id=nothing, response_tweet_id=nothing) for n in (1, 2)]

    assert len(assembled(rows)) == 2


@pytest.mark.parametrize(
    ("there", "together"),
    [
        ([50, 119, 120], [[50, 119, 120]]),
        ([50, 119120], [[50, 119120]]),
        ([50, 119, 120, 119120], [[50], [119], [120], [119120]]),
        ([50, 119], [[50, 119]]),
    ],
)
def test_a_grouped_number_counts_where_one_reading_is_there(
    there: list[int], together: list[list[int]]
) -> None:
    rows = [tweet(n, response_tweet_id="119,120" if n == 50 else "") for n in there]

    assert [ids(body) for body in assembled(rows)] == together


def test_ids_that_excel_grouped_are_read() -> None:
    rows = [tweet("1,234,567"), tweet("1,234,568", in_response_to_tweet_id="1,234,567")]

    assert [ids(body) for body in assembled(rows)] == [[1_234_567, 1_234_568]]


def test_a_listed_reply_that_replies_to_another_tweet_connects_nothing() -> None:
    """Excel grouped `155,157` as India does, and the list named tweet 1, which replies to 3."""
    rows = [
        tweet(1, in_response_to_tweet_id="3"),
        tweet(3),
        tweet(156, response_tweet_id="1,55,157"),
        tweet(155, in_response_to_tweet_id="156"),
    ]

    assert [ids(body) for body in assembled(rows)] == [[1, 3], [155, 156]]


@pytest.mark.parametrize("parent", ["9", "77"])
def test_what_a_tweet_says_of_itself_goes_over_any_list(parent: str) -> None:
    """Its parent may be missing: it still does not reply to the tweet that lists it."""
    rows = [tweet(5, response_tweet_id="6"), tweet(6, in_response_to_tweet_id=parent), tweet(9)]

    assert [5] in [ids(body) for body in assembled(rows)]


def test_a_listed_reply_that_says_nothing_of_itself_is_connected() -> None:
    assert [ids(body) for body in assembled([tweet(5, response_tweet_id="6,7"), tweet(6), tweet(7)])] == [
        [5, 6, 7]
    ]


@pytest.mark.parametrize("written", ["155,157", "155.157", "155 157", "155\u2009157", "155\u202f157"])
def test_a_list_that_a_spreadsheet_grouped_still_names_its_replies(written: str) -> None:
    rows = [tweet(155), tweet(156, response_tweet_id=written), tweet(157)]

    assert [ids(body) for body in assembled(rows)] == [[155, 156, 157]]


def test_of_several_readings_counts_what_they_have_in_common() -> None:
    rows = [tweet(155), tweet(156, response_tweet_id="1,55,157"), tweet(157)]

    assert [ids(body) for body in assembled(rows)] == [[155], [156, 157]]


@pytest.mark.parametrize(
    "written",
    [
        "155157",
        "155157.0",
        "155,157",
        "155.157",
        "155 157",
        "155\u00a0157",
        "155\u2009157",
        "155\u202f157",
        "155'157",
        "155\u2019157",
        "1,55,157",
        "15,5157",
        "1.55157E+5",
        "1,55157E+05",
        "155.157,0",
    ],
)
def test_a_number_is_read_however_its_country_groups_it(written: str) -> None:
    assert numbers.number(written) == 155_157
    rows = [tweet(1), tweet(written, in_response_to_tweet_id="1")]
    assert [ids(body) for body in assembled(rows)] == [[1, 155_157]]


@pytest.mark.parametrize(
    "written", ["1.23457E+17", "1.5E+0", "3.000", "1,55,15", "1.234,567", "-3", "", "12 34"]
)
def test_what_may_be_two_numbers_or_has_lost_its_digits_is_none(written: str) -> None:
    assert numbers.number(written) is None


@given(st.integers(0, numbers.LARGEST), st.sampled_from([",", ".", " ", "\u00a0", "\u2009", "\u202f", "'"]))
def test_every_number_in_groups_of_three_is_the_number(value: int, separator: str) -> None:
    assert value in numbers.readings(f"{value:,}".replace(",", separator))
    assert numbers.number(f"{value}.0") == value


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tweet_id": ""}, "tweet_id is not a whole number"),
        ({"tweet_id": "1.5E+17"}, "tweet_id is not a whole number"),
        ({"text": " \n"}, "text is empty"),
        ({"text": "x" * 20_001}, "text has 20,001 characters, 20,000 are allowed"),
        ({"text": "a\0b"}, "text holds U+0000"),
        ({"author_id": "x" * 256}, "author_id has 256 characters, 255 are allowed"),
        ({"inbound": "maybe"}, "inbound is neither true nor false"),
        (
            {"created_at": "10/11/2017"},
            "the time may be day and month or month and day: --date-order DMY or MDY says which",
        ),
        ({"created_at": "1969-12-31"}, "the time is outside the years 1970 to 2100"),
    ],
)
def test_a_row_that_cannot_be_sent_is_rejected_with_its_line_and_reason(
    fields: dict[str, str], reason: str
) -> None:
    row = Row(12, {**tweet(1).fields, **fields})

    assert rejections([row]) == [Rejected(12, reason)]


def test_a_text_of_20000_characters_is_taken() -> None:
    assert rejections([tweet(1, text="x" * 20_000)]) == []


def test_a_tweet_id_that_comes_again_is_rejected() -> None:
    rows = [tweet(1, text="first"), tweet(1, text="second")]

    assert rejections(rows) == [Rejected(1, "a row before it has the same tweet_id")]
    assert [message["text"] for message in assembled(rows)[0]["messages"]] == ["first"]


@pytest.mark.parametrize("wrong", [{"text": ""}, {"inbound": "maybe"}, {"created_at": "yesterday"}])
def test_a_tweet_that_cannot_be_read_rejects_its_conversation_and_no_other(wrong: dict[str, str]) -> None:
    """Half a conversation is another one: it would be judged without what was answered."""
    rows = [
        tweet(2, in_response_to_tweet_id="1"),
        tweet(1, **wrong),
        tweet(3, in_response_to_tweet_id="1"),
        tweet(4),
    ]
    with closing(Threads()) as threads:
        assert [threads.take(row) for row in rows] == [None] * 4
        rejected, alone = threads.conversations()

    assert isinstance(rejected, Rejected)
    assert rejected.line == 1
    assert rejected.reason.endswith("(none of the conversation's 3 turns is sent)")
    assert isinstance(alone, Conversation)


def test_a_row_that_is_not_of_the_encoding_rejects_its_conversation_too() -> None:
    with closing(Threads()) as threads:
        threads.take(tweet(1))
        broken = Rejected(9, "not valid utf-8", {"tweet_id": "2", "in_response_to_tweet_id": "1"})
        assert threads.take(broken) is None
        assert [type(each) for each in threads.conversations()] == [Rejected]
        assert threads.take(Rejected(7, "lost")) == Rejected(7, "lost")


def test_given_counts_the_tweets_of_what_was_given_out() -> None:
    with closing(Threads()) as threads:
        for row in (tweet(1), tweet(2, in_response_to_tweet_id="1"), tweet(3)):
            threads.take(row)
        conversations = threads.conversations()

        seen = [(threads.given, threads.taken) for _ in conversations]

    assert seen == [(2, 3), (3, 3)]


@pytest.mark.skipif(not TWCS.exists(), reason="the first 5,000 rows of the Kaggle set are not here")
def test_the_first_5000_tweets_of_the_kaggle_set_are_1312_conversations() -> None:
    with opened(TWCS, "utf-8-sig") as rows, closing(Threads()) as threads:
        assert isinstance(rows, Table)
        assert [row for row in rows if isinstance(row, Rejected) or threads.take(row)] == []
        conversations = list(bodies(threads))

    turns = [message for body in conversations for message in body["messages"]]
    assert len(conversations) == 1_312
    assert len({turn["message_id"] for turn in turns}) == len(turns) == 5_000
    # Two bare carriage returns, in one text between two commas.
    whole = [turn["text"] for turn in turns if "\r" in turn["text"]]
    assert [text.count("\r") for text in whole] == [2]
    assert f",{whole[0]},".encode() in TWCS.read_bytes()
