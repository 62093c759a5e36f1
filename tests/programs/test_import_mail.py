"""Mail as mbox and EML, with every trap in it; names and words are made up."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from client.importers.agents import Agents
from client.importers.fields import Reader
from tests.support.importing import DryRun, chats, spoken

OPENING = """\
From mara@home.example Tue Nov  3 12:00:00 2026
Return-Path: <mara@home.example>
Message-ID: <1@home.example>
Date: Tue, 3 Nov 2026 13:00:00 +0100
From: =?utf-8?q?Mara_M=C3=BCller?= <Mara@Home.example>
To: help@lamps.example
Subject: My lamp
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

My lamp flickers. It's f\xfcr Mara.

From Friday on it also hums.

From help@lamps.example Tue Nov  3 12:00:00 2026
is what I wrote down.

>From the manual: "switch it off"
>>From here
"""
ANSWER = """\
From help@lamps.example Tue Nov  3 14:00:00 2026
Message-ID: <2@lamps.example>
In-Reply-To: <1@home.example>
References: <1@home.example>
Date: Tue, 3 Nov 2026 13:30:00 +0000
From: "Ada, Lamps" <help@lamps.example>
To: mara@home.example
Subject: Re: My lamp
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/html; charset=utf-8

<p>A <b>photo</b>, please?</p>
--a
Content-Type: text/plain; charset=utf-8

A photo, please?

On Tue, 3 Nov 2026 Mara wrote:
> My lamp flickers.
--a--
--b
Content-Type: application/pdf; name=manual.pdf
Content-Disposition: attachment; filename=manual.pdf
Content-Transfer-Encoding: base64

JVBERi0=
--b--

"""
ONLY_HTML = """\
From mara@home.example Tue Nov  3 15:00:00 2026
Message-ID: <3@home.example>
In-Reply-To: <2@lamps.example>
Date: Tue, 3 Nov 2026 15:00:00 -0000
From: mara@home.example
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<html><body><p>On Tue, 3 Nov 2026 Ada wrote:</p><blockquote>A photo, please?</blockquote></body></html>

"""
PICTURE = """\
From mara@home.example Tue Nov  3 16:00:00 2026
Message-ID: <4@home.example>
References: <1@home.example>
Date: Tue, 3 Nov 2026 16:00:00 +0000
From: mara@home.example
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: image/png; name=lamp.png
Content-Disposition: attachment; filename=lamp.png
Content-Transfer-Encoding: base64

aGk=
--b--

"""
BOUNCE = """\
From MAILER-DAEMON Tue Nov  3 17:00:00 2026
Message-ID: <5@lamps.example>
From: MAILER-DAEMON@lamps.example
Date: Tue, 3 Nov 2026 17:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Your mail could not be delivered.
--b--

"""
MBOX = "".join((OPENING, "\n", ANSWER, ONLY_HTML, PICTURE, BOUNCE)).encode("latin-1")


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def reader() -> Reader:
    return Reader(agents=Agents(["@lamps.example"]))


def test_mails_that_answer_each_other_are_one_chat(tmp_path: Path) -> None:
    read = reader()
    (found,) = chats(MBOX, tmp_path, read).values()

    assert spoken(found) == [
        (
            "1@home.example",
            "mara@home.example",
            "c",
            "My lamp flickers. It's für Mara.\n\nFrom Friday on it also hums.\n\n"
            "From help@lamps.example Tue Nov  3 12:00:00 2026\nis what I wrote down.\n\n"
            'From the manual: "switch it off"\n>From here',
        ),
        (
            "2@lamps.example",
            "help@lamps.example",
            "s",
            "A photo, please?\n\nOn Tue, 3 Nov 2026 Mara wrote:\n> My lamp flickers.",
        ),
        ("3@home.example", "mara@home.example", "c", "On Tue, 3 Nov 2026 Ada wrote:\n\nA photo, please?"),
    ]
    assert [each["timestamp"][11:16] for each in found] == ["12:00", "13:30", "15:00"]
    assert read.left_out == {"attachment": 1, "media": 1, "system notice": 1}


def test_a_line_that_only_looks_like_a_new_mail_is_kept_and_warned_of(dry_run: DryRun) -> None:
    run = dry_run(MBOX, "--agent", "@lamps.example")

    assert (run.code, run.err) == (0, "")
    assert (
        "line 15: begins with From as a mail does, but no headers follow: kept as part of the text" in run.out
    )
    assert "left out: 1 attachment, 1 media, 1 system notice\n" in run.out


def test_the_order_of_the_mails_and_line_ends_make_no_difference(tmp_path: Path) -> None:
    forth = chats(MBOX, tmp_path, reader())
    back = "".join((PICTURE, BOUNCE, ONLY_HTML, ANSWER, OPENING)).encode("latin-1")

    assert chats(back, tmp_path, reader()) == forth
    assert chats(MBOX.replace(b"\n", b"\r\n"), tmp_path, reader()) == forth


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_an_eml_is_a_chat_of_one_mail(tmp_path: Path, line_end: bytes) -> None:
    content = ANSWER.encode().split(b"\n", 1)[1].replace(b"\n", line_end)
    (found,) = chats(content, tmp_path, reader()).values()

    assert [each["message_id"] for each in found] == ["2@lamps.example"]
    assert found[0]["conversation_id"] == chats_id(tmp_path)


def chats_id(folder: Path) -> str:
    (name,) = chats(MBOX, folder, reader())
    return name


def test_mails_that_answer_each_other_in_a_circle_are_one_chat(tmp_path: Path) -> None:
    mails = [
        f"From a@b Tue Nov  3 12:00:0{at} 2026\nMessage-ID: <{at}@b>\nIn-Reply-To: <{(at + 1) % 3}@b>\n"
        f"From: a@lamps.example\nDate: Tue, 3 Nov 2026 12:00:0{at} +0000\n\nhi {at}\n\n"
        for at in range(3)
    ]

    assert len(chats("".join(mails), tmp_path, reader())) == 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Date: yesterday\nFrom: a@b", "Date is not a date"),
        ("Date: Tue, 3 Nov 2926 12:00:00 +0000\nFrom: a@b", "Date is outside the years 1970 to 2100"),
        ("Date: Tue, 3 Nov 2026 12:00:00 +0000\nSubject: x", "there is no address in From"),
        (
            "From: a@b\nDate: Tue, 3 Nov 2026 12:00:00 +0000\nContent-Type: text/plain; charset=klingon",
            "klingon",
        ),
    ],
)
def test_a_mail_that_cannot_be_read_rejects_its_chat(tmp_path: Path, header: str, reason: str) -> None:
    mail = f"Message-ID: <9@b>\nReferences: <1@home.example>\n{header}\n\nhi\n"
    found = chats(mail, tmp_path, reader())
    whole = chats(MBOX + f"From a@b Tue Nov  3 18:00:00 2026\n{mail}".encode(), tmp_path, reader())

    assert reason in found["line 1"][0]["reason"]
    assert len(whole) == 1
    assert "none of the conversation's 4 turns is sent" in next(iter(whole.values()))[0]["reason"]


@pytest.mark.parametrize(
    ("written", "user", "role"),
    [
        ("ada at lamps.example (Ada)", "ada@lamps.example", "support_agent"),
        ("Ada Lovelace <Ada at Lamps.example>", "ada@lamps.example", "support_agent"),
        ("m@r@ @end|ng |rom home.example (Mara)", "m@r@ @end|ng |rom home.example", "customer"),
        ("mara @ending from ex@mple@com (=?utf-8?q?Mara?=)", "mara @ending from ex@mple@com", "customer"),
        ("Mara", "mara", "customer"),
        ("=?utf-8?q?M=C3=A4ra?=", "mära", "customer"),
    ],
)
def test_an_address_that_an_archive_has_masked_tells_who_wrote_all_the_same(
    tmp_path: Path, written: str, user: str, role: str
) -> None:
    mail = f"From: {written}\nDate: Tue, 3 Nov 2026 12:00:00 +0000\n\nhi\n"
    ((said,),) = chats(mail, tmp_path, reader(), form="eml").values()

    assert (said["user_id"], said["user_type"]) == (user, role)


def test_a_long_mail_becomes_several_messages_of_its_chat(tmp_path: Path) -> None:
    mail = f"Message-ID: <9@b>\nFrom: a@b\nDate: Tue, 3 Nov 2026 12:00:00 +0000\n\n{'x' * 40_000}y\n"
    (found,) = chats(mail, tmp_path, reader(), form="eml").values()

    assert [(each["message_id"], len(each["message_content"])) for each in found] == [
        ("9@b", 20_000),
        ("9@b/2", 20_000),
        ("9@b/3", 1),
    ]


def test_a_mail_without_an_id_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    mail = "From: a@lamps.example\nTo: b@c\nDate: Tue, 3 Nov 2026 12:00:00 +0000\n\nhi\n"
    (one,), (other,) = chats(mail, tmp_path, reader()), chats(mail, tmp_path, reader(), name="other")

    assert one == other


def test_a_mail_that_is_nothing_but_a_file_is_media(tmp_path: Path) -> None:
    read = reader()
    mail = "From: a@b\nTo: b@c\nMessage-ID: <1@b>\nContent-Type: application/octet-stream\n\nhi\n"

    assert chats(mail, tmp_path, read) == {}
    assert read.left_out == {"media": 1}


def test_nobody_is_a_customer_until_an_agent_is_named(dry_run: DryRun) -> None:
    run = dry_run(MBOX)

    assert run.code == 2
    assert "Those who speak: mara@home.example, help@lamps.example" in run.err
    assert dry_run(MBOX, "--agent", "HELP@lamps.example").code == 0
    assert dry_run(OPENING, "--agent", "HELP@lamps.example").code == 0  # nobody has answered yet


def emls() -> dict[str, bytes]:
    """The mails of the mbox, one a file, in another order; only an mbox has `>` before `From `."""
    mails = [each.encode("latin-1") for each in (PICTURE, BOUNCE, ONLY_HTML, ANSWER, OPENING)]
    own = [each.replace(b"\n>From", b"\nFrom").replace(b"\n>>From", b"\n>From") for each in mails]
    return {f"mails/{at}.EML": each.split(b"\n", 1)[1] for at, each in enumerate(own)}


def in_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_many_mails_in_a_zip_or_a_folder_are_read_as_those_of_an_mbox(tmp_path: Path) -> None:
    beside = {"mails/lamp.png": b"\x89PNG\0", "__MACOSX/mails/._0.EML": b"\0"}
    path = in_zip(tmp_path / "mails.zip", emls() | beside)
    for name, content in emls().items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    read = reader()

    found = chats(path, tmp_path, read)

    assert found == chats(tmp_path / "folder", tmp_path, reader()) == chats(MBOX, tmp_path, reader())
    assert read.left_out == {"attachment": 1, "media": 1, "system notice": 1, "other file": 1}


def test_a_mail_in_a_zip_that_cannot_be_read_is_named(dry_run: DryRun, tmp_path: Path) -> None:
    broken = {"x/broken.eml": b"From: a@b\nDate: yesterday\n\nhi", "x/empty.eml": b""}
    run = dry_run(in_zip(tmp_path / "mails.zip", emls() | broken), "--agent", "@lamps.example")
    other = dry_run(tmp_path / "mails.zip", "--format", "csv")

    assert run.code == 1
    assert "line 6: x/broken.eml: Date is not a date" in run.out
    assert "1 empty mail" in run.out
    assert (other.code, "--format csv: this is mails, one a file" in other.err) == (2, True)
