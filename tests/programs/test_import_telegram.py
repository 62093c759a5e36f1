"""Telegram exports of one chat and of all, with every trap in them; names and words are made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from client.importers import telegram
from client.importers.agents import Agents
from client.importers.fields import Reader
from tests.support.importing import DryRun, Json, chats, spoken


def message(id_: int, user: str, text: Any, **more: Any) -> Json:
    return {
        "id": id_,
        "type": "message",
        "date": "2026-11-03T13:00:00",
        "date_unixtime": str(1793707200 + id_),
        "from": "Mara",
        "from_id": user,
        "text": text,
        **more,
    }


CHAT: Json = {
    "name": "Mara",
    "type": "personal_chat",
    "id": 4815162342,
    "messages": [
        {
            "id": 1,
            "type": "service",
            "date": "2026-11-03T13:00:00",
            "actor_id": "user11",
            "action": "phone_call",
        },
        message(2, "user11", "My lamp flickers"),
        message(
            3,
            "user22",
            ["See ", {"type": "link", "text": "https://lamps.example"}, {"type": "bold", "text": "!"}],
        ),
        message(4, "user11", "", photo="photos/1.jpg"),
        message(5, "user11", "the plug", photo="photos/2.jpg", **{"from": None}),
        {"id": 6, "type": "unsupported"},
        message(7, "user11", ""),
    ],
}
ALL: Json = {
    "about": "Here is the data you requested.",
    "personal_information": {"user_id": 22, "first_name": "Ada"},
    "contacts": {"list": [{"first_name": "Mara", "date": "2026-11-03T13:00:00"}]},
    "chats": {
        "about": "x",
        "list": [CHAT, {**CHAT, "id": 108, "type": "private_group", "messages": CHAT["messages"][:2]}],
    },
}


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def reader() -> Reader:
    return Reader(agents=Agents(["user22"]))


SAID = [
    ("2", "user11", "c", "My lamp flickers"),
    ("3", "user22", "s", "See https://lamps.example!"),
    ("5", "user11", "c", "the plug"),
]


@pytest.mark.parametrize("indent", [None, 1])
def test_an_export_of_one_chat_goes_in_message_by_message(tmp_path: Path, indent: int | None) -> None:
    read = reader()
    found = chats(json.dumps(CHAT, indent=indent, ensure_ascii=False), tmp_path, read)

    assert list(found) == ["4815162342"]
    assert spoken(found["4815162342"]) == SAID
    assert found["4815162342"][0]["timestamp"] == "2026-11-03T12:00:02+00:00"
    assert read.left_out == {
        "system notice": 1,
        "media": 1,
        "attachment": 1,
        "unsupported message": 1,
        "empty message": 1,
    }


@pytest.mark.parametrize("indent", [None, 1])
def test_an_export_of_an_account_holds_many_chats(tmp_path: Path, indent: int | None) -> None:
    found = chats(json.dumps(ALL, indent=indent), tmp_path, reader())

    assert {chat: len(messages) for chat, messages in found.items()} == {"4815162342": 3, "108": 1}


def test_what_the_exporter_writes_and_json_does_not_know_is_read(tmp_path: Path) -> None:
    written = json.dumps(CHAT, indent=1).replace("My lamp flickers", r"My\x0Blamp \\x0B flickers \u00fc")
    written = written.replace(
        '"text": "the plug"', '"document_id": (File not included),\n "text": "the plug"'
    )

    found = chats(written, tmp_path, reader())["4815162342"]

    assert [text for *_, text in spoken(found)] == ["My\x0blamp \\x0B flickers ü", SAID[1][3], "the plug"]


def test_a_text_that_the_service_does_not_take_rejects_the_chat(tmp_path: Path) -> None:
    written = json.dumps(CHAT).replace("My lamp flickers", r"My lamp \x00")

    assert "text holds U+0000" in next(iter(chats(written, tmp_path, reader()).values()))[0]["reason"]


def test_local_times_are_told_of(dry_run: DryRun) -> None:
    old = {
        **CHAT,
        "messages": [{k: v for k, v in each.items() if k != "date_unixtime"} for each in CHAT["messages"]],
    }
    run = dry_run(json.dumps(old, indent=1), "--agent", "user22", "--time-zone", "Europe/Berlin")

    assert (run.code, run.err) == (0, "")
    assert "This is read as a Telegram export." in run.out
    assert "times without an offset: 3, read as Europe/Berlin" in run.out
    assert (
        "left out: 1 system notice, 1 media, 1 attachment, 1 unsupported message, 1 empty message\n"
        in run.out
    )


def test_a_long_export_is_read_in_pieces(tmp_path: Path) -> None:
    many = {**CHAT, "messages": [message(id_, "user22", "word " * 200) for id_ in range(1_000)]}
    for indent in (None, 1):
        found = chats(json.dumps(many, indent=indent), tmp_path, reader())

        assert len(found["4815162342"]) == 1_000


@pytest.mark.parametrize("cut", [-3, -400])
def test_an_export_that_breaks_off_sends_nothing_of_that_chat(tmp_path: Path, cut: int) -> None:
    found = chats(json.dumps(CHAT, indent=1)[:cut], tmp_path, reader())

    assert [each for each in found if not each.startswith("line")] == []
    assert "not JSON from here on" in next(iter(found.values()))[0]["reason"]


def test_a_messenger_chat_is_no_telegram() -> None:
    assert not telegram.is_one(
        json.dumps({"messages": [{"sender_name": "A", "timestamp_ms": 1, "content": "hi"}]})
    )
