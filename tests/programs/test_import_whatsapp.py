"""WhatsApp chats as phones export them, with every trap in them; names and words are made up."""

import gzip
import io
import zipfile
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.importers import whatsapp
from client.importers.agents import Agents
from client.importers.fields import Reader
from client.importers.times import ORDERS, Order, Times
from tests.support.importing import DryRun, chats, spoken

ANDROID = """\
31/10/2026, 09:05 - Messages and calls are end-to-end encrypted. Tap to learn more.
31/10/2026, 09:05 - Mara Customer created group "Lamps: returns"
31/10/2026, 09:06 - Mara Customer: My lamp flickers
It also hums: all night

since Friday
31/10/2026, 09:07 - Mara Customer changed the subject to: Lamps
31/10/2026, 09:08 - Mara Customer changed the subject from "Lamps" to "Lamps: broken"
31/10/2026, 09:10 - Ada (Lamps & Co): Please send a photo
31/10/2026, 09:11 - Mara Customer: <Media omitted>
31/10/2026, 09:12 - Mara Customer: IMG-20261031-WA0001.jpg (file attached)
The plug
31/10/2026, 09:13 - Mara Customer: IMG-20261031-WA0002.jpg (file attached)
31/10/2026, 09:14 - Ada (Lamps & Co): This message was deleted
31/10/2026, 09:15 - Ada (Lamps & Co): Thanks, a new one is on its way <This message was edited>
31/10/2026, 09:16 - Ada (Lamps & Co) added +49 170 0000000
31/10/2026, 09:17 - Mara Customer:\x20
1/11/2026, 10:00 - Mara Customer: It works. Time: 10:00
"""
IPHONE = (
    "\u200e[31.10.26, 09:05:10] Lamps & Co: \u200eMessages and calls are end-to-end encrypted.\n"
    "[31.10.26, 09:06:11] Mara Customer: My lamp flickers\n"
    "\u200e[31.10.26, 09:07:12] Mara Customer: \u200eimage omitted\n"
    "[31.10.26, 09:08:13] ~\u00a0Ada: \u200eAda changed the group description\n"
    "\u200e[31.10.26, 09:09:14] ~\u00a0Ada: \u200e<attached: 00000012-PHOTO-2026-10-31-09-09-14.jpg>\n"
    "\u200e[31.10.26, 09:10:15] Mara Customer: bill.pdf \u2022 \u200e2 pages \u200edocument omitted\n"
    "[31.10.26, 09:11:16] ~\u00a0Ada: We have it: thanks\n"
)


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def reader(order: Order | None = None, zone: tzinfo = UTC) -> Reader:
    return Reader(agents=Agents(["Ada (Lamps & Co)", "Ada"]), times=Times(order, zone))


def test_an_android_chat_goes_in_message_by_message(tmp_path: Path) -> None:
    read = reader()
    found = chats(ANDROID, tmp_path, read, name="lamps")

    assert list(found) == ["lamps"]
    assert spoken(found["lamps"]) == [
        ("3", "Mara Customer", "c", "My lamp flickers\nIt also hums: all night\n\nsince Friday"),
        ("9", "Ada (Lamps & Co)", "s", "Please send a photo"),
        ("11", "Mara Customer", "c", "The plug"),
        ("15", "Ada (Lamps & Co)", "s", "Thanks, a new one is on its way"),
        ("18", "Mara Customer", "c", "It works. Time: 10:00"),
    ]
    assert found["lamps"][0]["timestamp"] == "2026-10-31T09:06:00+00:00"
    assert found["lamps"][-1]["timestamp"] == "2026-11-01T10:00:00+00:00"
    assert read.left_out == {"system notice": 5, "media": 3, "attachment": 1, "deleted message": 1}


def test_an_iphone_chat_marks_notices_and_media(tmp_path: Path) -> None:
    read = reader()
    found = chats(IPHONE.replace("\n", "\r\n"), tmp_path, read)

    assert spoken(found["a"]) == [
        ("2", "Mara Customer", "c", "My lamp flickers"),
        ("7", "Ada", "s", "We have it: thanks"),
    ]
    assert found["a"][0]["timestamp"] == "2026-10-31T09:06:11+00:00"
    assert read.left_out == {"system notice": 2, "media": 3}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("\u200eBild weggelassen", "media"),
        ("Rechnung.zip \u200eDokument weggelassen", "media"),
        ("Rechnung 3.pdf \u2022 \u200e2 Seiten \u200eDokument weggelassen", "media"),
        ("\u200eimagen omitida", "media"),
        ("\u200evidéo absente", "media"),
        ("\u200eáudio ocultado", "media"),
        ("\u200esticker non incluso", "media"),
        ("\u200eDiese Nachricht wurde gelöscht.", "deleted message"),
        ("Du hast diese Nachricht gelöscht.", "deleted message"),
        ("\u200eMensagem apagada", "deleted message"),
        ("Se eliminó este mensaje.", "deleted message"),
        ("\u200eSprachanruf. \u200e2 Min.", "system notice"),
        ("Das Bild wurde weggelassen", None),
    ],
)
def test_what_a_phone_of_another_language_puts_in_place_of_a_message_is_none(
    tmp_path: Path, said: str, kind: str | None
) -> None:
    read = reader()
    found = chats(f"[31.10.26, 09:00:00] Ada: hi\n[31.10.26, 09:05:10] Mara: {said}\n", tmp_path, read)

    assert len(found["a"]) == (2 if kind is None else 1)
    assert read.left_out == ({} if kind is None else {kind: 1})


def test_what_was_edited_is_what_it_says_now(tmp_path: Path) -> None:
    lines = "[31.10.26, 09:00:00] Ada: hi \u200e<Diese Nachricht wurde bearbeitet.>\n"

    assert [each["message_content"] for each in chats(lines, tmp_path, reader())["a"]] == ["hi"]


def test_the_dry_run_names_what_is_left_out_on_one_line(dry_run: DryRun) -> None:
    run = dry_run(ANDROID, "--agent", "ada (lamps & co)", "--time-zone", "Europe/Berlin")

    assert (run.code, run.err) == (0, "")
    assert "This is read as a WhatsApp chat." in run.out
    assert "left out: 5 system notices, 3 media, 1 attachment, 1 deleted message\n" in run.out
    assert "times without an offset: 5, read as Europe/Berlin" in run.out


def test_the_first_notice_of_a_chat_may_be_put_into_the_mouth_of_the_group(tmp_path: Path) -> None:
    read = reader()
    first = "15.10.2026, 15:04 - Lamps: Messages and calls are end-to-end encrypted. No one outside can read them.\n"

    assert len(chats(first + one("15.10.2026, 15:05 - "), tmp_path, read)["a"]) == 1
    assert read.left_out == {"system notice": 1}


def test_nobody_is_taken_for_a_customer_until_an_agent_is_named(dry_run: DryRun) -> None:
    none, other = dry_run(ANDROID), dry_run(ANDROID, "--agent", "Aad")

    assert (none.code, other.code) == (2, 2)
    assert (
        "nothing says who is an agent: name them with --agent. Those who speak: Mara Customer, Ada (Lamps & Co)"
        in none.err
    )
    assert "none of those named with --agent speaks" in other.err


# --- dates --------------------------------------------------------------------------------------------------


def one(header: str, *more: str) -> str:
    return "".join(f"{each}Ada: hello\n" for each in (header, *more))


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("31/10/26, 22:10 - ", "2026-10-31T22:10:00"),
        ("[31/10/26 22:10] ", "2026-10-31T22:10:00"),
        ("10/31/26, 10:10 PM - ", "2026-10-31T22:10:00"),
        ("31/10/26, 10:10\u00a0p.\u00a0m. - ", "2026-10-31T22:10:00"),
        ("31/10/26, 12:10\u202fam - ", "2026-10-31T00:10:00"),
        ("31/10/26, 12:10 p. m. - ", "2026-10-31T12:10:00"),
        ("2026-11-03 22:10 - ", "2026-11-03T22:10:00"),
        ("[2026-11-03, 22:10:47] ", "2026-11-03T22:10:47"),
        ("[2026/11/03, 10:10:47\u202fPM] ", "2026-11-03T22:10:47"),
        ("[31-10-26 22:10:47] ", "2026-10-31T22:10:47"),
        ("31.10.26, 22.10 - ", "2026-10-31T22:10:00"),
        ("31/10/2026 à 22:10 - ", "2026-10-31T22:10:00"),
        ("10/10/26, 22:10 - ", "2026-10-10T22:10:00"),
        ("\ufeff31/10/26, 22:10 - ", "2026-10-31T22:10:00"),
    ],
)
def test_a_header_is_read_as_phones_write_it(tmp_path: Path, header: str, moment: str) -> None:
    (sent,) = chats(one(header), tmp_path, reader())["a"]

    assert sent["timestamp"] == f"{moment}+00:00"


def test_four_digits_in_front_are_the_year_also_where_a_chat_lasted_one_day(tmp_path: Path) -> None:
    (sent,) = chats(one("2026-03-04 10:00 - "), tmp_path, reader())["a"]

    assert sent["timestamp"].startswith("2026-03-04")


@pytest.mark.parametrize(
    "content",
    [
        one("3/4/26, 10:00 - ", "4/4/26, 10:00 - ", "5/4/26, 10:00 - "),
        one("3/4/26, 10:00 - ", "3/5/26, 10:00 - "),
    ],
    ids=["days", "months"],
)
def test_an_order_that_no_line_shows_is_asked_for(dry_run: DryRun, tmp_path: Path, content: str) -> None:
    asked = dry_run(content, "--agent", "Ada")
    days, months, years = (
        chats(content, tmp_path, reader(order=order))["a"][0]["timestamp"][:10] for order in ORDERS
    )

    assert asked.code == 2
    assert "--date-order DMY or MDY says which" in asked.err
    assert (days, months, years) == ("2026-04-03", "2026-03-04", "2003-04-26")


@pytest.mark.parametrize(("last", "first"), [("13/4/26", "2026-04-03"), ("4/13/26", "2026-03-04")])
def test_one_line_that_can_only_be_one_way_decides_for_the_file(
    tmp_path: Path, last: str, first: str
) -> None:
    found = chats(one("3/4/26, 10:00 - ", f"{last}, 10:00 - "), tmp_path, reader())["a"]

    assert found[0]["timestamp"].startswith(first)


def test_a_day_that_does_not_exist_rejects_the_chat(tmp_path: Path) -> None:
    found = chats(one("13/4/26, 10:00 - ", "4/13/26, 10:00 - "), tmp_path, reader())

    assert found == {
        "line 2": [
            {
                "reason": "the time names a day or an hour that does not exist (none of the conversation's 2 turns "
                "is sent)"
            }
        ]
    }


def test_an_hour_that_clocks_show_twice_stays_in_order(tmp_path: Path) -> None:
    lines_ = [f"25/10/2026, {clock} - " for clock in ("01:50", "02:40", "02:50", "02:10", "02:55", "03:05")]
    found = chats(one(*lines_), tmp_path, reader(zone=ZoneInfo("Europe/Berlin")))["a"]

    assert [each["timestamp"][11:16] for each in found] == [
        "23:50",
        "00:40",
        "00:50",
        "01:10",
        "01:55",
        "02:05",
    ]


def test_an_hour_that_clocks_never_show_rejects_the_chat(tmp_path: Path) -> None:
    found = chats(one("29/03/2026, 02:30 - "), tmp_path, reader(zone=ZoneInfo("Europe/Berlin")))

    assert "never show" in found["line 1"][0]["reason"]


# --- what it is and is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "2026-11-03 22:10:47 - INFO: started\n",
        "2026-11-03 22:10:47,123 - app - INFO - started: yes\n",
        "date,text\n31/10/26 22:10,hello: you\n",
        "[31.10.26] Ada: hello\n",
        "Ada: hello\n31/10/26, 22:10 - Ada: hello\n",
        "31/10/26, 22:10 - nobody speaks here\n",
    ],
)
def test_what_only_resembles_a_chat_is_none(head: str) -> None:
    assert not whatsapp.is_one(head)


def test_a_zip_with_pictures_beside_the_chat_is_read_and_called_as_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Mara.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_chat.txt", IPHONE)
        archive.writestr("00000012-PHOTO-2026-10-31-09-09-14.jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)))
        archive.writestr("00000013-Mara.vcf", "BEGIN:VCARD\nEND:VCARD\n")

    (name,) = chats(path, tmp_path, reader())

    assert name.startswith("WhatsApp-Chat---Mara-")


@pytest.mark.parametrize("pack", ["gzip", "zip in gzip", "zip in zip", "gzip in zip"])
def test_a_packed_chat_is_the_chat(tmp_path: Path, pack: str) -> None:
    content = ANDROID.encode()
    for how in reversed(pack.split(" in ")):
        content = gzip.compress(content, mtime=0) if how == "gzip" else zipped(content)

    assert chats(content, tmp_path, reader()) == chats(ANDROID, tmp_path, reader())


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("rows", content)
    return out.getvalue()


def test_a_chat_that_has_grown_keeps_the_ids_of_its_messages(tmp_path: Path) -> None:
    before = chats(ANDROID, tmp_path, reader())["a"]
    after = chats(f"{ANDROID}2/11/2026, 10:00 - Mara Customer: Bye\n", tmp_path, reader())["a"]

    assert after[: len(before)] == before


@given(
    texts=st.lists(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u200e\ufeff"), min_size=1
        ).filter(lambda text: text.strip() and not text.startswith("<")),
        min_size=1,
        max_size=5,
    ),
    minutes=st.integers(21_000_000, 42_000_000),
)
def test_whatever_is_said_comes_out_as_it_was(
    texts: list[str], minutes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moments = [datetime.fromtimestamp((minutes + at) * 60, UTC) for at in range(len(texts))]
    content = "".join(
        f"[{at:%Y-%m-%d, %H:%M:%S}] Ada: {text}\n" for at, text in zip(moments, texts, strict=True)
    )

    found = chats(content, tmp_path_factory.getbasetemp(), reader(), form="whatsapp")

    assert [each["message_content"] for each in found["a"]] == texts
    assert [each["timestamp"] for each in found["a"]] == [at.isoformat() for at in moments]
