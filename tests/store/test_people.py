"""A person who is erased: nothing of their words stays, nothing of other people's goes, and every count agrees."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from database import Database
from domain.search_words import indexed
from models import conversations, erasures, messages, participants, summaries
from store.access import audit
from store.access.audit import AuditFilter
from store.conversations import chat_lists, people, records
from store.conversations import erasures as store
from store.conversations.chat_lists import ChatFilter
from store.conversations.intake import NewMessage
from store.insights.listing import list_recent
from store.queue import analysis, renewal
from store.search import index
from tests.support.chat_data import added, said, turns
from tests.support.insight_data import thorough, tried
from tests.support.people_data import (
    ASKER,
    analyse_all,
    erase,
    everything,
    index_all,
    quote_in_call,
    summarise,
    turn,
    with_raw,
)
from tests.support.people_data import people as service
from tests.support.rows import NOW, assert_rolled_up, claim, new, stored, take_in

ANN, BOB = "ann@example.com", "bob"
LONG = "is late and nobody answers me at all"


class Said(NamedTuple):
    """A conversation: one text by its only author, or a chat with the author of each message."""

    is_chat: bool
    authors: list[str | None]
    summarised: bool


authors = st.sampled_from([ANN, ANN, BOB, "cyd", None])
kinds = st.one_of(
    st.builds(Said, st.just(False), st.lists(authors, min_size=1, max_size=1), st.booleans()),
    st.builds(Said, st.just(True), st.lists(authors, min_size=1, max_size=8), st.booleans()),
)


def word(conversation: int, position: int) -> str:
    """A word that stands in one message only."""
    return f"zz{conversation}q{position}zz"


def build(connection: Connection, conversation: int, kind: Said) -> list[str]:
    """Store a conversation and what is made of it; its words."""
    words = [word(conversation, position) for position, _ in enumerate(kind.authors, 1)]
    said_ = [turn(f"The {each} {LONG}", author) for each, author in zip(words, kind.authors, strict=True)]
    author = next((each for each in kind.authors if each is not None), None)
    take_in(connection, new(f"c{conversation}", messages=said_, is_chat=kind.is_chat, author=author))
    number = stored(connection, f"c{conversation}").number
    with_raw(connection, number, " ".join(words))
    if kind.summarised:
        summarise(connection, number, " ".join(words))
    return words


def is_kept(kind: Said) -> bool:
    """Whether the conversation stays when Ann is erased."""
    return ANN not in kind.authors or any(each not in (ANN, None) for each in kind.authors)


def goes(kind: Said, position: int) -> bool:
    """Whether a message goes with Ann."""
    return kind.authors[position - 1] == ANN or not is_kept(kind)


@settings(thorough, max_examples=40)
@given(kinds=st.lists(kinds, min_size=1, max_size=6), analysed=st.integers(0, 6), filed=st.integers(0, 6))
async def test_of_a_person_nothing_stays_and_of_others_everything(
    db: Database, kinds: list[Said], analysed: int, filed: int
) -> None:
    def play(connection: Connection) -> None:
        all_words: list[list[str]] = []
        for at, kind in enumerate(kinds):
            all_words.append(build(connection, at, kind))
            if at < analysed:
                analyse_all(connection)
            if at < filed:
                index_all(connection, limit=2)
        quote_in_call(connection, all_words[0][0])
        before = renewal.made_of(connection, numbers(connection))

        counts = erase(connection, ANN)

        check_messages(connection, kinds)
        if any(ANN in kind.authors for kind in kinds):
            check_words(connection, kinds)
        assert_rolled_up(connection)
        after = renewal.made_of(connection, numbers(connection))
        assert counts == {
            "deleted": sum(not is_kept(kind) for kind in kinds),
            "changed": sum(is_kept(kind) and ANN in kind.authors for kind in kinds),
            "messages": sum(goes(k, at) for k in kinds for at in range(1, len(k.authors) + 1)),
            "insights": before.insights - after.insights,
            "summaries": before.summaries - after.summaries,
        }
        check_life_goes_on(connection, kinds)

    await tried(db, play)


def numbers(connection: Connection) -> Sequence[int]:
    return connection.scalars(select(conversations.c.number)).all()


def how_many_messages(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(messages)) or 0


def check_messages(connection: Connection, kinds: list[Said]) -> None:
    kept = {f"c{at}": kind for at, kind in enumerate(kinds) if is_kept(kind)}
    assert {*connection.scalars(select(conversations.c.id))} == {*kept}
    for at, kind in enumerate(kinds):
        if is_kept(kind):
            rows = turns(connection, f"c{at}")
            left = [place for place in range(1, len(kind.authors) + 1) if not goes(kind, place)]
            assert [row.position for row in rows] == left
            assert [row.author for row in rows] == [kind.authors[place - 1] for place in left]
            row = stored(connection, f"c{at}")
            assert row.message_count - row.erased == len(left)
            assert row.author != ANN
            assert (row.said_from is None) == (not row.is_chat)
    assert ANN not in connection.scalars(select(participants.c.author)).all()


def check_words(connection: Connection, kinds: list[Said]) -> None:
    """Ann's words are nowhere, and what stands of her id is nothing."""
    text = everything(connection)
    assert ANN not in text
    for at, kind in enumerate(kinds):
        for place in range(1, len(kind.authors) + 1):
            mine = word(at, place)
            if goes(kind, place):
                assert mine not in text
                assert not list(index.matching_chats(connection, [(*indexed(mine),)]))
            else:
                assert mine in text


def check_life_goes_on(connection: Connection, kinds: list[Said]) -> None:
    """What is left is indexed, analysed and added to as ever."""
    index_all(connection, limit=2)
    assert index.is_complete(connection)
    analyse_all(connection)
    assert_rolled_up(connection)
    for at, kind in enumerate(kinds):
        if is_kept(kind):
            for place in range(1, len(kind.authors) + 1):
                found = [*index.matching_chats(connection, [(*indexed(word(at, place)),)])]
                assert bool(found) != goes(kind, place)
            [placed] = added(connection, said(f"c{at}", "And now?", author=ANN))
            assert placed.position == len(kind.authors) + 1


async def test_whoever_is_at_work_on_a_chat_has_lost_it(db: Database) -> None:
    def play(connection: Connection) -> None:
        build(connection, 0, Said(True, [ANN, BOB], summarised=True))
        [work] = claim(connection).work
        before = stored(connection, "c0")
        erase(connection, ANN)
        row = stored(connection, "c0")

        assert not analysis.renew(connection, [work.job], until=NOW + 9)
        assert (row.status, row.lease, row.run_at, row.revision) == ("queued", None, NOW, before.revision + 1)
        summary = connection.execute(select(summaries)).one()
        assert (summary.status, summary.content, summary.raw, summary.revision) == (
            "queued",
            None,
            None,
            row.revision,
        )

    await tried(db, play)


async def test_a_person_who_is_unknown_leaves_everything_as_it_was(db: Database) -> None:
    def play(connection: Connection) -> None:
        build(connection, 0, Said(True, [BOB, None], summarised=True))
        before = everything(connection)

        counts = erase(connection, ANN)

        assert not any(counts.values())
        noted = [line for line in everything(connection).splitlines() if line not in before.splitlines()]
        assert {line.split()[0] for line in noted} == {"audit_entries", "access_marks"}
        assert len(turns(connection, "c0")) == 2

    await tried(db, play)


async def test_pages_of_a_chat_with_gaps_are_full(db: Database) -> None:
    def play(connection: Connection) -> None:
        kind = Said(True, [ANN if at % 3 else BOB for at in range(30)], summarised=False)
        build(connection, 0, kind)
        erase(connection, ANN)
        page = partial(chat_lists.get_chat, connection, "c0", limit=4)
        pages = [page(offset=offset) for offset in (0, 4, 8, 12)]
        after = chat_lists.messages_after(connection, "c0", position=5, limit=3, characters=10_000)
        whole = records.get_conversation(connection, "c0")

        shown = [[row.position for row in each.messages] for each in pages if each is not None]
        assert shown == [[1, 4, 7, 10], [13, 16, 19, 22], [25, 28], []]
        assert [row.position for row in after.messages] == [7, 10, 13]
        assert (after.count, chat_lists.last_position(connection, "c0")) == (30, 30)
        assert whole is not None
        assert len(whole.messages) == 10
        assert chat_lists.list_chats(connection, ChatFilter(author=ANN), offset=0, limit=9).total == 0

    await tried(db, play)


async def test_a_message_erased_while_it_is_being_indexed_is_not_indexed(db: Database) -> None:
    def play(connection: Connection) -> None:
        build(connection, 0, Said(True, [BOB, ANN, BOB], summarised=False))
        rows = index.list_unindexed(connection, limit=9)
        entries = [index.entry(row.conversation, row.position, row.text, row.author) for row in rows]
        erase(connection, ANN)
        index.index_unindexed(connection, entries)

        assert index.is_complete(connection)
        assert not list(index.matching_chats(connection, [(*indexed(word(0, 2)),)]))
        assert list(index.matching_chats(connection, [(*indexed(word(0, 3)),)]))

    await tried(db, play)


# --- in steps -----------------------------------------------------------------------------------------------


async def fill(db: Database) -> None:
    """Texts and chats of Ann's, more than a step takes."""

    def play(connection: Connection) -> None:
        take_in(connection, *[new(f"t{at}", f"zztext {LONG}", author=ANN) for at in range(60)])
        take_in(connection, *[new(f"m{at}", messages=chat(at), is_chat=True, author=ANN) for at in range(3)])
        analyse_all(connection)
        index_all(connection)

    await db.write(play)


def chat(at: int) -> list[NewMessage]:
    return [turn(f"zzchat {LONG}", ANN if place % 2 or not at else BOB) for place in range(250)]


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
async def test_an_erasure_that_was_cut_off_is_finished_at_the_next_start(db: Database, step: int) -> None:
    await fill(db)
    steps = 0

    async def killed(_: float) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            raise Killed

    await db.write(lambda connection: store.note_asked(connection, ANN, who=ASKER, now=NOW))
    with pytest.raises(Killed):
        await service(db, sleep=killed).round(NOW + 1)
    left = await db.read(how_many_messages)
    await service(db).round(NOW + 1)

    def check(connection: Connection) -> None:
        assert connection.scalar(select(func.count()).select_from(erasures)) == 0
        assert how_many_messages(connection) == 250
        assert ANN not in everything(connection)
        assert {*connection.scalars(select(conversations.c.id))} == {"m1", "m2"}
        assert_rolled_up(connection)
        [noted] = audit.list_entries(connection, AuditFilter(action=audit.ERASURE), limit=9)
        assert noted.entry.actor == ASKER.actor

    assert 250 < left < 810
    await db.write(check)


async def test_what_comes_in_meanwhile(db: Database) -> None:
    """What was stored when it was asked for goes, and so does what is posted later to chats that are yet to come."""
    await fill(db)
    posted: list[str] = []

    async def post(_: float) -> None:
        if not posted:
            posted.append("now")
            await db.write(lambda c: take_in(c, new("later", f"zzlater {LONG}", author=ANN)))
            await db.write(lambda c: added(c, said("m2", f"zzmeanwhile {LONG}", author=ANN)))

    await db.write(lambda connection: store.note_asked(connection, ANN, who=ASKER, now=NOW))
    await service(db, sleep=post).round(NOW + 1)
    text = await db.read(everything)

    assert "zzlater" in text
    assert "zzmeanwhile" not in text
    assert "zztext" not in text


async def test_whoever_asks_again_waits_for_what_was_stored_by_then(db: Database) -> None:
    await fill(db)
    again = False

    async def ask(_: float) -> None:
        nonlocal again
        if not again:
            again = True
            await db.write(lambda c: take_in(c, new("later", f"zzlater {LONG}", author=ANN)))
            await db.write(lambda connection: store.note_asked(connection, ANN, who=ASKER, now=NOW))

    await db.write(lambda connection: store.note_asked(connection, ANN, who=ASKER, now=NOW))
    await service(db, sleep=ask).round(NOW + 1)

    assert "zzlater" not in await db.read(everything)


async def test_a_caller_gets_the_receipt_and_a_second_one_the_same(db: Database) -> None:
    await fill(db)
    erasing = service(db)
    running = asyncio.create_task(erasing.run())
    asked = audit.AuditEntry(NOW, "key:1", "")
    try:
        both = await asyncio.wait_for(asyncio.gather(*(erasing.erase(ANN, asked) for _ in range(2))), 60)
    finally:
        running.cancel()
        await asyncio.wait([running])

    assert both[0] == both[1]
    assert both[0]["counts"]["messages"] == 60 + 250 + 125 + 125
    assert (both[0]["by"], both[0]["algorithm"], both[0]["signature"]) == ("key:1", "none", None)


async def test_a_list_of_a_persons_conversations_comes_in_order_and_once(db: Database) -> None:
    def play(connection: Connection) -> None:
        for at, kind in enumerate([False, True, True, False, True]):
            build(connection, at, Said(kind, [ANN], summarised=False))
        every = [*connection.scalars(select(conversations.c.number).order_by(conversations.c.number))]

        assert people.list_numbers(connection, ANN, after=0, limit=9) == every
        assert people.list_numbers(connection, ANN, after=every[0], limit=2) == every[1:3]
        assert people.list_numbers(connection, BOB, after=0, limit=9) == []

    await tried(db, play)


async def test_a_list_shows_the_beginning_of_what_is_left_of_a_chat(db: Database) -> None:
    """Ann said more than a list reads of a chat, before anybody else said anything."""

    def play(connection: Connection) -> None:
        build(connection, 0, Said(True, [*[ANN] * 300, BOB, "cyd"], summarised=False))
        erase(connection, ANN)
        analyse_all(connection)
        [entry] = list_recent(connection, limit=1).page.insights

        assert entry.text == f"customer: The {word(0, 301)} {LONG}\ncustomer: The {word(0, 302)} {LONG}"
        assert not entry.truncated

    await tried(db, play)
