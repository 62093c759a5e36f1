"""A Slack export: a folder for each channel, in it a file of messages for each day, as a zip or unpacked.

A thread is a chat: it may go over several days, and a message that nobody answered is one by itself. Of the text only
`&`, `<` and `>` are escaped; links, people and channels stand in angle brackets.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any

from client.importers.base import BROKEN, Rejected, Row, Rows
from client.importers.fields import Reader
from client.importers.files import Unreadable
from client.importers.folders import Folder
from client.importers.said import Entry, Messages, Said, Spoiled

DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")
CHANNELS = ("channels.json", "groups.json", "dms.json", "mpims.json")
LARGEST_DAY = 256 << 20
IN_BRACKETS = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
SENT = frozenset({None, "thread_broadcast"})
MEDIA = frozenset({"file_share", "file_comment", "file_mention"})
DELETED = frozenset({"tombstone", "message_deleted"})
TS = re.compile(r"\d{9,11}(?:\.\d{1,9})?")


def days_of(names: Sequence[str]) -> list[str]:
    """The files of days, by channel and date; none where this is no export."""
    return sorted(
        name for name in names if DAY.fullmatch(PurePosixPath(name).name) and "/" in name and _is_own(name)
    )


def _is_own(name: str) -> bool:
    return not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")


class _People:
    """What ids of people and channels stand for."""

    def __init__(self, folder: Folder) -> None:
        self._names: dict[str, str] = {}
        self.known: dict[str, tuple[str, ...]] = {}
        for name in folder.names():
            if PurePosixPath(name).name in ("users.json", *CHANNELS) and _is_own(name):
                for each in _objects(folder, name):
                    self._add(each)

    def _add(self, each: Mapping[str, Any]) -> None:
        profile = each.get("profile")
        inside = profile if isinstance(profile, Mapping) else {}
        names = (inside.get("display_name"), inside.get("real_name"), each.get("real_name"), each.get("name"))
        found = tuple(name for name in names if isinstance(name, str) and name)
        if isinstance(id_ := each.get("id"), str) and found:
            self._names[id_], self.known[id_] = found[0], (*found, str(inside.get("email") or ""))

    def name_of(self, id_: str) -> str:
        """The name; the id itself where the export does not say whose it is."""
        return self._names.get(id_, id_)


def _objects(folder: Folder, name: str) -> list[Mapping[str, Any]]:
    """The objects of a file. Raises Unreadable."""
    if folder.size(name) > LARGEST_DAY:
        raise Unreadable(f"{name} has more than {LARGEST_DAY >> 20} MB")
    try:
        written = folder.read(name)
    except BROKEN as error:
        raise Unreadable(f"{name}: {error}") from error
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{name}: not JSON") from error
    if not isinstance(found, list):
        raise Unreadable(f"{name}: not a list")
    return [each if isinstance(each, Mapping) else {} for each in found]


class Slack(Messages):
    """The messages of an export, day by day."""

    title = "a Slack export"
    ids_last = True

    def __init__(self, name: str, folder: Folder, reader: Reader) -> None:
        self.name = name
        self.warnings = []
        self._folder = folder
        self._days = days_of(folder.names())
        self.size = len(self._days)
        self._done = 0
        self._people = _People(folder)
        self._reading = SlackReading(reader, self._people)

    @property
    def position(self) -> int:
        """Days read so far."""
        return self._done

    def _entries(self) -> Iterator[Entry]:
        for day in self._days:
            channel = PurePosixPath(day).parent.name
            for number, message in enumerate(_objects(self._folder, day), 1):
                yield from self._reading.entries(number, channel, message)
            self._done += 1


class SlackDay(Messages):
    """The messages of one file of an export, which says of no message what channel it is in."""

    title = "a day of a Slack export"
    ids_last = True

    def __init__(self, rows: Rows, channel: str, reader: Reader) -> None:
        self.name, self.size, self.warnings = rows.name, rows.size, rows.warnings
        self._rows = rows
        self._channel = channel
        self._reading = SlackReading(reader, None)

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._rows.position

    def _entries(self) -> Iterator[Entry]:
        for row in self._rows:
            if not isinstance(row, Row):
                yield row
                continue
            inside = row.fields.get("messages")  # of the API's answer
            for message in inside if isinstance(inside, list) else [row.fields]:
                yield from self._reading.entries(row.line, self._channel, message)


class SlackReading:
    """How one message is read."""

    def __init__(self, reader: Reader, people: _People | None) -> None:
        self._reader = reader
        self._people = people

    def entries(self, line: int, channel: str, message: object) -> Iterator[Entry]:
        """The message; nothing where it is left out and counted."""
        if not isinstance(message, Mapping):
            yield Rejected(line, f"{channel}: a message is not an object")
            return
        channel = str(message.get("channel") or channel)
        kind = _left_out(message)
        if kind is not None:
            self._reader.left_out[kind] += 1
            return
        ts = message.get("ts")
        if not isinstance(ts, str) or not TS.fullmatch(ts):
            yield Rejected(line, f"{channel}: ts is no time as Slack writes it")
            return
        thread = message.get("thread_ts") or ts
        chat = f"{channel}:{thread}"
        try:
            yield self._said(line, chat, ts, message)
        except (ValueError, InvalidOperation) as error:
            yield Spoiled(line, chat, str(error))

    def _said(self, line: int, chat: str, ts: str, message: Mapping[str, Any]) -> Said:
        user = message["user"]
        names = self._people.known.get(user, ()) if self._people else ()
        files = message.get("files")
        self._reader.left_out.update({"attachment": len(files)} if isinstance(files, list) and files else {})
        micros = int(Decimal(ts) * 1_000_000)
        said_at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
        role = self._reader.agents.role_of(user, *names)
        return Said(line, chat, ts, user, role, self._plain(message["text"]), said_at.isoformat())

    def _plain(self, text: str) -> str:
        """The text as people saw it."""
        shown = IN_BRACKETS.sub(self._shown, text)
        return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    def _shown(self, match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        mark = target[:1]
        if mark in ("@", "#"):
            return mark + (label or self._name_of(target[1:])).removeprefix(mark)
        if mark == "!":
            return label or f"@{target[1:].partition('^')[0]}"
        return label or target.removeprefix("mailto:")

    def _name_of(self, id_: str) -> str:
        return self._people.name_of(id_) if self._people else id_


def _left_out(message: Mapping[str, Any]) -> str | None:
    """What kind of message this is, if nobody wrote it to the others."""
    subtype = message.get("subtype")
    if subtype not in SENT:
        if subtype in MEDIA:
            return "media"
        if subtype in DELETED:
            return "deleted message"
        return "bot message" if subtype == "bot_message" else "system notice"
    if not isinstance(message.get("user"), str):
        return "bot message" if message.get("bot_id") else "system notice"
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        return (
            "media"
            if message.get("files") or message.get("attachments") or message.get("blocks")
            else "empty message"
        )
    return None
