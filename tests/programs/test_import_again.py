"""Each format in a service: sent twice, broken off anywhere, in two orders. The database is the same."""

import io
import json
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy.engine import URL

from client import AsyncClient, ClientError
from client.answers import ChatsStored
from client.importers.agents import Agents
from client.importers.chats import Chat
from client.importers.fields import Reader
from client.importers.recognition import opened_as
from client.importers.said import Messages
from client.importers.spool import Spool
from client.importing.delivery import Delivery, Tally
from tests.programs.test_import_mail import MBOX
from tests.programs.test_import_slack import EXPORT
from tests.programs.test_import_subtitles import CALL, SRT
from tests.programs.test_import_telegram import CHAT
from tests.programs.test_import_whatsapp import ANDROID
from tests.support.helpdesk_bodies import CONVERSATION, FRESHDESK, LIST, TICKET, USERS
from tests.support.importing import Json, chats, lines
from tests.support.service import Service, running

AGENTS = ("Ada", "Ada (Lamps & Co)", "U2", "user22", "@lamps.example")
LONG = "".join(f"[2026-11-03, 12:{at // 60:02}:{at % 60:02}] Ada: message {at}\n" for at in range(1_100))
FILES: dict[str, str | bytes] = {
    "zendesk": json.dumps({**TICKET, "users": USERS}),
    "intercom": json.dumps(CONVERSATION, indent=1),
    "freshdesk": lines(FRESHDESK),
    "chatwoot": lines(*LIST["payload"]),
    "whatsapp": ANDROID,
    "long": LONG,
    "telegram": json.dumps(CHAT, indent=1),
    "mail": MBOX,
    "call": CALL,
    "recording": SRT,
}


class Interrupted(ClientError):
    """Somebody pressed Ctrl-C."""


class Interrupting(AsyncClient):
    """Gives up after so many posts."""

    posts = 1_000

    async def post_messages(self, messages: Any, **more: Any) -> ChatsStored:
        if not self.posts:
            raise Interrupted("interrupted")
        self.posts -= 1
        return await super().post_messages(messages, **more)


class Import(NamedTuple):
    """A file, and what goes before its ids."""

    path: Path
    source: str

    def reader(self) -> Reader:
        return Reader(source=self.source, agents=Agents(AGENTS))

    async def send(self, service: Service, posts: int = 1_000) -> Tally:
        """What became of it, up to the interruption."""
        tally, reader = Tally(), self.reader()
        async with Interrupting(service.url) as client:
            client.posts = posts
            with opened_as(self.path, "utf-8-sig", reader) as found, closing(Spool(reader)) as spool:
                assert isinstance(found, Messages)
                for entry in found:
                    assert spool.take(entry) is None
                spool.settle(found)
                try:
                    await Delivery(client, tally, lambda: None).send(spool.chats(), 100)
                except Interrupted:
                    assert posts < 1_000
        return tally


def imports(folder: Path, source: str) -> list[Import]:
    for name, written in FILES.items():
        (folder / name).write_bytes(written.encode() if isinstance(written, str) else written)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in EXPORT.items():
            archive.writestr(name, json.dumps(content))
    (folder / "slack").write_bytes(out.getvalue())
    return [Import(folder / name, source) for name in (*FILES, "slack")]


async def stored(service: Service) -> dict[str, list[Json]]:
    """Every chat that is there, and its messages in order."""
    found: dict[str, list[Json]] = {}
    pages = page = 1
    while page <= pages:
        read = await service.get("/chats", page=page, limit=100)
        for chat in read["chats"]:
            found[chat["conversation_id"]] = await messages(service, chat["conversation_id"])
        pages, page = read["pages"], page + 1
    return found


async def messages(service: Service, chat: str) -> list[Json]:
    found: list[Json] = []
    pages = page = 1
    while page <= pages:
        read = await service.get(f"/chats/{chat}", page=page, limit=100)
        found, pages, page = found + read["messages"], read["pages"], page + 1
    return [{name: each[name] for name in COMPARED if name in each} for each in found]


COMPARED = ("message_id", "user_id", "user_type", "message_content")


def expected(some: Sequence[Import], folder: Path) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for each in some:
        for chat, inside in chats(each.path, folder, each.reader()).items():
            found[chat] = [{name: said[name] for name in COMPARED} for said in inside]
    return found


async def test_the_database_is_the_same_however_often_and_in_whichever_order(
    database_url: URL, tmp_path: Path
) -> None:
    once, broken = imports(tmp_path, "one"), imports(tmp_path, "two")
    async with running(database_url) as service:
        for each in once:
            assert (await each.send(service)).conflicts.count == 0
        for each in reversed(broken):
            for posts in (0, 1, 2):
                await each.send(service, posts)
            await each.send(service)
        again = [await each.send(service) for each in (*broken, *once)]
        found = await stored(service)

    assert found == expected([*once, *broken], tmp_path)
    assert [(tally.accepted, tally.duplicates == tally.sent) for tally in again] == [(0, True)] * len(again)


OWN_IDS = {"zendesk", "intercom", "freshdesk", "chatwoot", "telegram", "mail", "slack"}


def test_messages_with_ids_of_their_own_are_told_from_those_with_places(tmp_path: Path) -> None:
    found = set[tuple[str, bool]]()
    for each in imports(tmp_path, "one"):
        reader = each.reader()
        with opened_as(each.path, "utf-8-sig", reader) as opened, closing(Spool(reader)) as spool:
            assert isinstance(opened, Messages)
            for entry in opened:
                spool.take(entry)
            spool.settle(opened)
            found |= {(each.path.name, chat.ids_last) for chat in spool.chats() if isinstance(chat, Chat)}

    assert found == {(name, name in OWN_IDS) for name in (*FILES, "slack")}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_two_pages_of_one_conversation_may_come_in_two_files(database_url: URL, tmp_path: Path) -> None:
    pages = []
    for at, some in enumerate((LIST["payload"][:2], LIST["payload"][2:])):
        (tmp_path / f"page-{at}").write_text(lines(*some))
        pages.append(tmp_path / f"page-{at}")
    async with running(database_url) as service:
        for source, order in (("one", pages), ("two", pages[::-1])):
            for page in order:
                await Import(page, source).send(service)
        found = await stored(service)

    assert [sorted(each["message_id"] for each in found[f"{source}:7"]) for source in ("one", "two")] == [
        ["91", "94", "96"]
    ] * 2
