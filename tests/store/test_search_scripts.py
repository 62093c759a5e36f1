"""Words of all scripts are found on both databases alike, and an index of other words is rebuilt meanwhile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from database import Database
from domain.search_words import phrases_in
from services.indexing import BACKLOG, Indexing
from store.conversations.intake import NewMessage
from store.conversations.records import delete_conversation
from store.engine import migration
from store.search import index
from tests.store.test_migrations import go_back
from tests.support.chat_data import added, said
from tests.support.insight_data import thorough, tried
from tests.support.rows import new, stored, take_in
from tests.support.search_data import entries, found, index_all, looked_through

BEFORE = "0008"
TEXTS = {
    "latin": "Où est ma commande A1234 ?",
    "cyrillic": "Мой заказ1234 ещё не пришёл",
    "arabic": "أين طَلَبي1234؟",
    "hebrew": "ההזמנה1234 לא הגיעה",
    "devanagari": "मेरा ऑर्डर1234 कहाँ है",
    "thai": "ยังไม่ได้รับคำสั่งซื้อ1234เลย",
    "chinese": "我的订单order1234三天了还没有收到",
    "japanese": "ホストの荷物1234がまだ届いていません",
    "korean": "주문1234번 택배가 아직 안 왔어요",
}


@pytest.mark.parametrize(
    ("keyword", "ids"),
    [
        ("1234", list(TEXTS)),
        ("order1234", ["chinese"]),
        ("a1234", ["latin"]),
        ("order1235", []),
        ("订单", ["chinese"]),
        ("单订", []),
        ("三天 我的", ["chinese"]),
        ("ホスト", ["japanese"]),
        ("ﾎｽﾄ", ["japanese"]),
        ("ポスト", []),
        ("荷物", ["japanese"]),
        ("택배", ["korean"]),
        ("ได้รับ", ["thai"]),
        ("ซื้อ", ["thai"]),
        ("ซ้อื", []),
        ("ऑर्डर", ["devanagari"]),
        ("ऑर्डार", []),
        ("ЕЩЕ заказ", ["cyrillic"]),
        ("طلبي", ["arabic"]),
        ("ההזמנה", ["hebrew"]),
        ("ou commande", ["latin"]),
    ],
)
async def test_a_word_is_found_in_every_script(db: Database, keyword: str, ids: list[str]) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said(id_, each) for id_, each in TEXTS.items()])

        # PostgreSQL stores the chats of one post in the order of their ids.
        assert sorted(found(connection, keyword)) == sorted(ids)
        assert sorted(looked_through(connection, keyword, None)) == sorted(ids)

    await tried(db, play)


# Few characters of each script, so that what is asked for is often there; with marks, digits and separators.
ALPHABET = "aée\u0301 йиё عَلب שָלו किीम ไม่กำ 我的訂订 ホポはばｶﾞ\u3099 가나ㄱ 𠮷葛\U000e0100 12٣ ー・, \u200d"
texts = st.text(ALPHABET, min_size=1, max_size=12)


@settings(thorough, max_examples=60)
@given(
    some=st.lists(st.tuples(st.sampled_from("cde"), texts), min_size=1, max_size=6),
    asked=st.lists(st.one_of(texts, texts.map(lambda each: f'"{each}"')), min_size=1, max_size=5),
    at=st.integers(0, 11),
)
async def test_the_same_search_finds_the_same_chats_whatever_the_script(
    db: Database, some: list[tuple[str, str]], asked: list[str], at: int
) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said(chat, each) for chat, each in some])
        part = some[0][1][at // 2 : at + 1]
        for keyword in [*asked, part, some[-1][1]]:
            assert found(connection, keyword) == looked_through(connection, keyword, None)
        delete_conversation(connection, some[0][0])
        entries(connection)

    await tried(db, play)


@pytest.mark.parametrize("length", [85, 254])
async def test_as_long_a_sentence_as_can_be_asked_is_found(db: Database, length: int) -> None:
    sentence = "".join(chr(0x4E00 + at) for at in range(length))

    def play(connection: Connection) -> None:
        added(connection, said("c", f"我{sentence}的"), said("d", sentence[:-1]))

        assert found(connection, sentence) == found(connection, f'"{sentence}"') == ["c"]

    await tried(db, play)


# --- the index of an earlier version ------------------------------------------------------------------------


def index_the_old_way(connection: Connection) -> None:
    """An index as the version before left it: the whole sentence is one word."""
    on_postgresql = connection.dialect.name == "postgresql"
    old = {"number": connection.scalar(text("SELECT number FROM conversations WHERE id = 'old'"))}
    vector = "INSERT INTO search VALUES (:number, 1, CAST('我的订单三天了' AS tsvector))"
    document = "INSERT INTO search (rowid, words) VALUES ((:number << 16) + 1, '我的订单三天了')"
    connection.execute(text(vector if on_postgresql else document), old)
    connection.execute(text("UPDATE conversations SET indexed = 1 WHERE number = :number"), old)


async def test_an_index_of_an_earlier_version_is_rebuilt(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("old", messages=[NewMessage("我的订单三天了")], is_chat=True))
        go_back(connection, BEFORE)
        index_the_old_way(connection)
        migration.migrate(connection)
        assert entries(connection) == 0

        added(connection, said("old", "订单又没到"), said("fresh", "订单"))
        assert found(connection, "订单") == ["fresh"]
        assert stored(connection, "old").indexed == 0
        index_all(connection)

        assert found(connection, "订单") == ["old", "fresh"]
        assert found(connection, "三天") == found(connection, "又没") == ["old"]
        assert entries(connection) == 3
        delete_conversation(connection, "old")
        assert (entries(connection), found(connection, "三天")) == (1, [])

    await tried(db, play)


async def test_a_rebuild_finds_the_newest_first_and_is_told_once_at_its_start_and_end(db: Database) -> None:
    backlog = [new(f"c{number}", f"订单{number}") for number in range(BACKLOG + 1)]
    await db.write(lambda connection: take_in(connection, *backlog))
    steps: list[list[int]] = []

    async def look(_: float) -> None:
        steps.append(
            [*await db.read(lambda connection: index.matching_chats(connection, phrases_in("订单")))]
        )
        if len(steps) == 4:
            raise StopAsyncIteration

    with capture_logs() as lines, pytest.raises(StopAsyncIteration):
        await Indexing(db, sleep=look).run()

    newest = await db.read(lambda connection: stored(connection, f"c{BACKLOG}").number)
    assert steps[0] == [*range(newest - 99, newest + 1)]
    assert len(steps[-1]) == BACKLOG + 1
    told = [(line["event"], line.get("conversations")) for line in lines]
    assert told == [("search_index_rebuilding", BACKLOG + 1), ("search_index_rebuilt", None)]


async def test_a_few_conversations_left_by_a_stop_are_not_worth_a_line(db: Database) -> None:
    await db.write(lambda connection: take_in(connection, new("c", "late")))
    indexing = Indexing(db, sleep=_stop)

    with capture_logs() as lines, pytest.raises(StopAsyncIteration):
        await indexing.run()

    assert lines == []


async def _stop(_: float) -> None:
    raise StopAsyncIteration
