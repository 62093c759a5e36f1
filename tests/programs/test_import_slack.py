"""Slack exports as zip and as folder, with every trap in them; names and words are made up."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from client.importers.agents import Agents
from client.importers.fields import Reader
from tests.support.importing import DryRun, Json, chats, lines, spoken

USERS: list[Json] = [
    {"id": "U1", "name": "mara", "profile": {"display_name": "Mara", "real_name": "Mara Customer"}},
    {"id": "U2", "name": "ada", "real_name": "Ada Agent", "profile": {"email": "ada@lamps.example"}},
]
CHANNELS: list[Json] = [{"id": "C1", "name": "support"}, {"id": "C2", "name": "returns"}]


def message(ts: str, user: str, text: str, **more: Any) -> Json:
    return {"type": "message", "user": user, "text": text, "ts": ts, **more}


FIRST_DAY: list[Json] = [
    message("1793707200.000100", "U1", "<@U1> has joined", subtype="channel_join"),
    message(
        "1793707201.000200", "U1", "My lamp &amp; plug &lt;broken&gt;, see <https://lamps.example/1|the page>"
    ),
    message(
        "1793707202.000300",
        "U2",
        "<@U1> ask <#C2> or <#C9|old>, <mailto:a@lamps.example|a@lamps.example> <!here>",
        thread_ts="1793707201.000200",
        parent_user_id="U1",
    ),
    {
        "type": "message",
        "subtype": "bot_message",
        "bot_id": "B1",
        "text": "ticket opened",
        "ts": "1793707203.000400",
    },
    {"type": "message", "bot_id": "B1", "text": "ticket opened", "ts": "1793707203.000500"},
    message("1793707204.000500", "U1", "", files=[{"id": "F1", "mimetype": "image/png"}]),
    message("1793707205.000600", "U1", "the bill", files=[{"id": "F2"}, {"id": "F3"}]),
    message("1793707206.000700", "USLACKBOT", "This message was deleted.", subtype="tombstone"),
]
NEXT_DAY: list[Json] = [
    message("1793793600.000100", "U1", "Thanks, &amp;amp; bye", thread_ts="1793707201.000200"),
    message("1793793601.000200", "U2", "For all", subtype="thread_broadcast", thread_ts="1793707205.000600"),
]
EXPORT = {
    "users.json": USERS,
    "channels.json": CHANNELS,
    "support/2026-11-04.json": NEXT_DAY,
    "support/2026-11-03.json": FIRST_DAY,
    "returns/2026-11-03.json": [message("1793707201.000200", "U1", "same time, other channel")],
}


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def zipped(folder: Path, files: dict[str, Any], top: str = "") -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{top}{name}", json.dumps(content))
    return path


def unpacked(folder: Path) -> Path:
    for name, content in EXPORT.items():
        path = folder / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder / "export"


def reader() -> Reader:
    return Reader(agents=Agents(["U2"]))


THREAD = [
    ("1793707201.000200", "U1", "c", "My lamp & plug <broken>, see the page"),
    ("1793707202.000300", "U2", "s", "@Mara ask #returns or #old, a@lamps.example @here"),
    ("1793793600.000100", "U1", "c", "Thanks, &amp; bye"),
]


def test_a_thread_is_a_chat_over_days_and_channels_are_apart(tmp_path: Path) -> None:
    read = reader()
    found = chats(zipped(tmp_path, EXPORT), tmp_path, read)

    assert sorted(found) == [
        "returns:1793707201.000200",
        "support:1793707201.000200",
        "support:1793707205.000600",
    ]
    assert spoken(found["support:1793707201.000200"]) == THREAD
    assert [text for *_, text in spoken(found["support:1793707205.000600"])] == ["the bill", "For all"]
    assert found["support:1793707201.000200"][0]["timestamp"] == "2026-11-03T12:00:01.000200+00:00"
    assert read.left_out == {
        "system notice": 1,
        "bot message": 2,
        "media": 1,
        "attachment": 2,
        "deleted message": 1,
    }


def test_a_folder_and_a_zip_with_a_folder_in_it_are_the_same_export(tmp_path: Path) -> None:
    as_zip = chats(zipped(tmp_path, EXPORT, "lamps-export/"), tmp_path, reader())

    assert chats(unpacked(tmp_path), tmp_path, reader()) == as_zip


@pytest.mark.parametrize("agent", ["U2", "Ada Agent", "ada", "ada@lamps.example", "@lamps.example"])
def test_an_agent_is_named_by_whatever_the_export_calls_them(tmp_path: Path, agent: str) -> None:
    found = chats(zipped(tmp_path, EXPORT), tmp_path, Reader(agents=Agents([agent])))

    assert [role for _, _, role, _ in spoken(found["support:1793707201.000200"])] == ["c", "s", "c"]


def test_one_day_is_read_by_itself_and_says_where_it_is_from(tmp_path: Path, dry_run: DryRun) -> None:
    path = unpacked(tmp_path) / "support" / "2026-11-03.json"
    named = [{**each, "channel": "C7"} for each in FIRST_DAY]

    assert "support:1793707201.000200" in chats(path, tmp_path, reader())
    assert "C7:1793707201.000200" in chats(lines(*named), tmp_path, reader())
    assert "C7:1793707201.000200" in chats(lines({"messages": named}), tmp_path, reader())
    assert "This is read as a day of a Slack export." in dry_run(path, "--agent", "U2").out


def test_the_dry_run_names_what_is_left_out(tmp_path: Path, dry_run: DryRun) -> None:
    run = dry_run(zipped(tmp_path, EXPORT), "--agent", "U2")

    assert (run.code, run.err) == (0, "")
    assert "left out: 2 bot messages, 2 attachments, 1 system notice, 1 media, 1 deleted message\n" in run.out


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (message("then", "U1", "hi"), "support: ts is no time as Slack writes it"),
        ({**message("1793707209.1", "U1", "hi"), "ts": 1793707209.1}, "support: ts is no time"),
        (message("1793707209.1", "U1" * 200, "hi"), "the author has 400 characters, 255 are allowed"),
    ],
)
def test_what_cannot_be_read_is_rejected(tmp_path: Path, wrong: Json, reason: str) -> None:
    files = {**EXPORT, "support/2026-11-05.json": [wrong]}
    found = chats(zipped(tmp_path, files), tmp_path, reader())

    assert reason in found["line 1"][0]["reason"]
    assert "support:1793707201.000200" in found


@pytest.mark.parametrize("content", ["not JSON", '{"a": 1}'])
def test_a_day_that_is_no_list_is_refused_by_name(tmp_path: Path, dry_run: DryRun, content: str) -> None:
    path = unpacked(tmp_path)
    (path / "support" / "2026-11-03.json").write_text(content)
    run = dry_run(path, "--agent", "U2")

    assert run.code == 2
    assert "support/2026-11-03.json: not" in run.err


def test_another_folder_is_refused(tmp_path: Path, dry_run: DryRun) -> None:
    run = dry_run(tmp_path)

    assert run.code == 2
    assert "is a folder, and neither a Slack export nor one of EML files" in run.err


@pytest.mark.parametrize(
    ("word", "named"), [(b"same time", "returns/2026-11-03.json"), (b"Ada Agent", "users.json")]
)
def test_a_damaged_file_of_a_zip_is_one_line_that_names_it(
    tmp_path: Path, dry_run: DryRun, word: bytes, named: str
) -> None:
    path = zipped(tmp_path, EXPORT)
    # Stored as it is, so that a changed word is found by its checksum and by nothing else.
    path.write_bytes(path.read_bytes().replace(word, word.upper(), 1))

    run = dry_run(path, "--agent", "U2")

    assert run.code == 2
    assert len(run.err.splitlines()) == 1
    assert run.err.endswith(f"{named}: Bad CRC-32 for file {named!r}\n")
