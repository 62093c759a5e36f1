"""What the importer makes of a file, without a service: by its dry run, or by the importers that it is made of."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ingest_data
from client.importers.chats import Dialogues, from_objects
from client.importers.checks import notes_on
from client.importers.conversations import Conversation, from_table
from client.importers.fields import Reader
from client.importers.recognition import opened_as
from client.importers.rows import Rejected, Rows, Table
from client.importers.said import Messages
from client.importers.spool import Spool

Json = dict[str, Any]
TIMED = "created_at,text\n2026-11-01T10:00:00Z,My bag was lost on the way\n"


class Seen(NamedTuple):
    """What a dry run printed and how it ended."""

    code: int
    out: str
    err: str


class DryRun:
    """Runs the program over a file of some content, in a folder of its own, without sending anything.

    A path instead of a content is the file itself.
    """

    def __init__(self, folder: Path, printed: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._printed = printed

    def __call__(self, content: str | bytes | Path | Sequence[Json], *options: str) -> Seen:
        path = content if isinstance(content, Path) else self._folder / "rows.data"
        if not isinstance(content, Path):
            written = content if isinstance(content, str | bytes) else lines(*content)
            path.write_bytes(written.encode() if isinstance(written, str) else written)
        code = ingest_data.main(["--file", str(path), "--dry-run", *options])
        return Seen(code, *self._printed.readouterr())


def bodies(content: str | bytes, folder: Path, reader: Reader | None = None, name: str = "a") -> list[Json]:
    """What is sent of a file."""
    path = folder / f"{name}.data"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = reader or Reader()
    with opened_as(path, "utf-8-sig", reader) as rows:
        assert isinstance(rows, Rows), rows
        notes_on(rows, reader)
        found = list(
            from_table(rows, reader) if isinstance(rows, Table) else from_objects(rows, Dialogues(reader))
        )
    assert all(isinstance(each, Conversation) for each in found), found
    return [json.loads(each.body) for each in found if isinstance(each, Conversation)]


def chats(
    content: str | bytes | Path,
    folder: Path,
    reader: Reader | None = None,
    *,
    name: str = "a",
    form: str | None = None,
) -> dict[str, list[Json]]:
    """The chats that are sent of a file, and `line N` with the reason for each that is rejected."""
    path = content if isinstance(content, Path) else folder / f"{name}.data"
    if not isinstance(content, Path):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = reader or Reader()
    found: dict[str, list[Json]] = {}
    with opened_as(path, "utf-8-sig", reader, form) as messages, closing(Spool(reader)) as spool:
        assert isinstance(messages, Messages), messages
        rejected = [each for entry in messages if (each := spool.take(entry))]
        spool.settle(messages)
        for chat in (*rejected, *spool.chats()):
            if isinstance(chat, Rejected):
                found[f"line {chat.line}"] = [{"reason": chat.reason}]
            else:
                sent = [json.loads(each) for each in chat.messages]
                found[sent[0]["conversation_id"]] = sent
    return found


def spoken(messages: Sequence[Json]) -> list[tuple[str, str, str, str]]:
    """Id, user, role and text of each message; the role by its first letter."""
    return [
        (each["message_id"], each["user_id"], each["user_type"][0], each["message_content"])
        for each in messages
    ]


def lines(*objects: Json) -> str:
    """The objects as NDJSON."""
    return "".join(json.dumps(each) + "\n" for each in objects)
