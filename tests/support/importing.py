"""What the importer makes of a file, without a service: by its dry run, or by the importers that it is made of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ingest_data
from client.importers.chats import Dialogues, from_objects
from client.importers.checks import notes_on
from client.importers.conversations import Conversation, from_table
from client.importers.fields import Reader
from client.importers.rows import Table, opened

Json = dict[str, Any]
TIMED = "created_at,text\n2026-11-01T10:00:00Z,My bag was lost on the way\n"


class Seen(NamedTuple):
    """What a dry run printed and how it ended."""

    code: int
    out: str
    err: str


class DryRun:
    """Runs the program over a file of some content, in a folder of its own, without sending anything."""

    def __init__(self, folder: Path, printed: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._printed = printed

    def __call__(self, content: str | bytes | Sequence[Json], *options: str) -> Seen:
        path = self._folder / "rows.data"
        written = content if isinstance(content, str | bytes) else lines(*content)
        path.write_bytes(written.encode() if isinstance(written, str) else written)
        code = ingest_data.main(["--file", str(path), "--dry-run", *options])
        return Seen(code, *self._printed.readouterr())


def bodies(content: str | bytes, folder: Path, reader: Reader | None = None, name: str = "a") -> list[Json]:
    """What is sent of a file."""
    path = folder / f"{name}.data"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = reader or Reader()
    with opened(path, "utf-8-sig") as rows:
        notes_on(rows, reader)
        found = list(
            from_table(rows, reader) if isinstance(rows, Table) else from_objects(rows, Dialogues(reader))
        )
    assert all(isinstance(each, Conversation) for each in found), found
    return [json.loads(each.body) for each in found if isinstance(each, Conversation)]


def lines(*objects: Json) -> str:
    """The objects as NDJSON."""
    return "".join(json.dumps(each) + "\n" for each in objects)
