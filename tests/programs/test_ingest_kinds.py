"""Kinds of files that broke in real hands: each by an example and its cousins, by the program's own dry run."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ingest_data
from client.importers import formats
from client.importers.chats import Dialogues, from_objects
from client.importers.checks import notes_on
from client.importers.conversations import Conversation, from_table
from client.importers.fields import Reader
from client.importers.rows import Table, opened

Json = dict[str, Any]
OBJECT = "is an object without a known text in it, not a text"
TIMED = "created_at,text\n2026-11-01T10:00:00Z,My bag was lost on the way\n"


class Seen(NamedTuple):
    """What a dry run printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Seen]:
    """Runs the program over a file of this content without sending anything."""

    def run(content: str | bytes | Sequence[Json], *options: str) -> Seen:
        path = tmp_path / "rows.data"
        if not isinstance(content, str | bytes):
            content = "".join(json.dumps(each) + "\n" for each in content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        code = ingest_data.main(["--file", str(path), "--dry-run", *options])
        return Seen(code, *capsys.readouterr())

    return run


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
    return "".join(json.dumps(each) + "\n" for each in objects)


# --- no time column -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["when", "time_stamp", "Opened at", "sent"])
def test_a_file_without_a_time_column_is_told_of_before_and_after(
    dry_run: Callable[..., Seen], column: str
) -> None:
    run = dry_run(f"{column},text\n2026-11-01,hello\n2026-11-02,world\n")

    first, *_ = run.out.splitlines()
    assert first.startswith("no time column; looked for timestamp, created_at, datetime, date, tweet_created")
    assert f"is it {column.lower()}?" in first
    assert "--time-column" in first
    assert "dated at intake: 2" in run.out
    named = dry_run(f"{column},text\n2026-11-01,hello\n2026-11-02,world\n", "--time-column", column)
    assert "intake" not in named.out


def test_a_column_that_holds_no_times_is_not_taken_for_one(dry_run: Callable[..., Seen]) -> None:
    run = dry_run("sentiment,day,due date,text\n0.7,10/11/2026,soon,hello\n")

    assert "(is it day?)" in run.out


def test_the_time_column_that_was_named_is_the_one(tmp_path: Path) -> None:
    content = "date,When,text\n2026-01-01,2026-11-01,hello\n"

    (body,) = bodies(content, tmp_path, Reader(timestamp=("When",)))

    assert body["timestamp"] == "2026-11-01T00:00:00+00:00"
    assert body["metadata"] == {"date": "2026-01-01"}


def test_the_column_of_an_object_is_named_as_it_is_written(tmp_path: Path) -> None:
    sent = lines({"sentAt": 1_509_487_847, "words": "hello", "ref": "r-1"})
    reader = Reader(timestamp=("sentAt",), text=("words",), identity=("ref",))

    assert bodies(sent, tmp_path, reader) == [
        {"text": "hello", "timestamp": "2017-10-31T22:10:47+00:00", "external_id": "r-1"}
    ]


@pytest.mark.parametrize("option", ["--text-column", "--time-column", "--id-column"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(
    dry_run: Callable[..., Seen], option: str
) -> None:
    run = dry_run(TIMED, option, "nowhere")

    assert run.code == 2
    assert f"{option} nowhere: there is no such column; there are 'created_at, text'" in run.err


# --- identity -----------------------------------------------------------------------------------------------


def test_a_row_is_the_same_whatever_its_file_is_called_and_wherever_it_lies(tmp_path: Path) -> None:
    one, two = (
        bodies("text\nhello\nhello\n", tmp_path),
        bodies("text\nother\nhello\nhello\n", tmp_path, name="b"),
    )

    assert [each["external_id"] for each in two[1:]] == [each["external_id"] for each in one]
    assert len({each["external_id"] for each in two}) == 3


def test_the_conversation_id_of_a_table_is_used(tmp_path: Path) -> None:
    (body,) = bodies("conversation_id,text\nconv_7,hello\n", tmp_path)

    assert body == {"conversation_id": "conv_7", "text": "hello"}


EXPORT: Json = {
    "conversation_id": "conv_1",
    "external_id": None,
    "author": "ann",
    "timestamp": "2026-11-01T10:00:00Z",
    "text": "=SUM of all my complaints",
    "metadata": {"shop": 3},
    "sentiment": "negative",
    "analyzer": "offline",
    "model": "offline",
    "cached": False,
    "partial": False,
    "analysed_at": "2026-11-01T10:00:01Z",
}
ANALYSIS: Json = {"sentiment_score": -0.5, "confidence": 0.8, "clusters": ["delay"], "reasoning": "late"}


def exported_csv() -> str:
    row = {**EXPORT, **ANALYSIS, "text": "'" + EXPORT["text"], "metadata": json.dumps(EXPORT["metadata"])}
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row))
    writer.writeheader()
    writer.writerow(row)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        exported_csv(),
        lines({**EXPORT, "grok_analysis": ANALYSIS}),
        json.dumps({"insights": [{**EXPORT, "grok_analysis": ANALYSIS}], "metadata": {"total_count": 1}}),
    ],
    ids=["csv", "ndjson", "answer"],
)
def test_an_export_of_the_service_becomes_the_conversation_it_was(tmp_path: Path, content: str) -> None:
    kept = ("conversation_id", "author", "timestamp", "text", "metadata")

    assert bodies(content, tmp_path) == [{name: EXPORT[name] for name in kept}]


def test_an_export_that_was_cut_is_rejected(dry_run: Callable[..., Seen]) -> None:
    run = dry_run([{**EXPORT, "grok_analysis": ANALYSIS, "text_truncated": True}])

    assert run.code == 1
    assert "the export holds only the first 2,000 characters" in run.out


# --- sources ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "id,text\n1,hello\n",
        "Tweet_ID,text\n17.0,hello\n",
        "conversation_id,role,text\n1,customer,hello\n",
        lines({"external_id": 7, "text": "hello"}),
        lines({"conversation_id": "12", "messages": [{"role": "user", "text": "hello"}]}),
    ],
)
def test_small_numbers_as_ids_want_a_source(dry_run: Callable[..., Seen], content: str) -> None:
    refused, named = dry_run(content), dry_run(content, "--source", "shop")

    assert refused.code == 2
    assert "--source NAME goes before them" in refused.err
    assert (named.code, named.err) == (0, "")


@pytest.mark.parametrize("id_", ["943071829130117120", "T-17", "5e9f8f8f8f8f8f8f8f8f8f8f"])
def test_ids_that_no_other_file_has_need_no_source(dry_run: Callable[..., Seen], id_: str) -> None:
    assert dry_run(f"id,text\n{id_},hello\n").code == 0


def test_a_source_goes_before_every_id(tmp_path: Path) -> None:
    reader = Reader(source="shop")
    objects = lines({"id": 1, "text": "a"}, {"conversation_id": "c", "text": "b"}, {"text": "c"})

    first, second, third = bodies(objects, tmp_path, reader)

    assert (first["external_id"], second["conversation_id"]) == ("shop:1", "shop:c")
    assert third["external_id"].startswith("shop:")
    (other,) = bodies("id,text\n1,a\n", tmp_path, Reader(source="post"))
    assert other["external_id"] == "post:1"


def test_a_file_that_is_given_as_a_source_is_opened_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.csv"
    path.write_text(TIMED)

    code = ingest_data.main(["--source", str(path), "--dry-run"])

    seen = capsys.readouterr()
    assert code == 0
    assert "--source FILE is --file FILE now" in seen.err


@pytest.mark.parametrize("name", ["nowhere.csv", "a b", "a/b", ""])
def test_a_source_that_is_no_name_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        ingest_data.main(["--source", name, "--dry-run"])
    assert "--file opens a file" in capsys.readouterr().err


# --- formats that are not read yet --------------------------------------------------------------------------

FOREIGN: list[tuple[str, Json]] = [
    (
        "Zendesk",
        {"id": 35436, "subject": "Help", "comments": [{"author_id": 1, "body": "hi", "public": True}]},
    ),
    (
        "Zendesk",
        {"id": 1, "author_id": 9, "body": "Internal: call back", "public": False, "created_at": "2026-11-01"},
    ),
    ("Zendesk", {"url": "u", "plain_body": "hi", "body": "hi"}),
    ("Intercom", {"type": "conversation", "id": "1", "conversation_parts": {"conversation_parts": []}}),
    ("Freshdesk", {"body_text": "hi", "body": "<p>hi", "incoming": True, "private": False, "ticket_id": 3}),
    ("Freshdesk", {"id": 3, "description_text": "hi", "conversations": [{"body": "x"}]}),
    (
        "Chatwoot",
        {"event": "message_created", "message_type": "incoming", "content": "hi", "account": {"id": 1}},
    ),
    ("Chatwoot", {"id": 1, "content": "hi", "content_type": "text", "message_type": 0, "sender": {"id": 1}}),
    ("Slack", {"type": "message", "user": "U1", "text": "hi", "ts": "1509487847.000200"}),
    ("Slack", {"messages": [{"type": "message", "bot_id": "B1", "text": "hi", "ts": "1509487847.000200"}]}),
    (
        "HubSpot",
        {"results": [{"id": "m", "conversationsThreadId": "1", "text": "hi", "direction": "INCOMING"}]},
    ),
    ("Help Scout", {"id": 1, "_embedded": {"threads": [{"body": "hi"}]}}),
    ("Front", {"id": "msg_1", "is_inbound": True, "body": "hi", "created_at": 1_453_770_984.123}),
    ("Gorgias", {"id": 1, "from_agent": True, "body_text": "hi", "channel": "email"}),
    (
        "Telegram",
        {
            "name": "A",
            "messages": [{"id": 1, "from_id": "u1", "date": "2026-11-01T10:00:00", "text": "hi"}],
        },
    ),
    ("Messenger", {"messages": [{"sender_name": "A", "timestamp_ms": 1_509_487_847_000, "content": "hi"}]}),
    (
        "Amazon Connect",
        {"ParticipantRole": "CUSTOMER", "Content": "hi", "AbsoluteTime": "2026-11-01T10:00:00Z"},
    ),
]


@pytest.mark.parametrize(("name", "fields"), FOREIGN)
def test_an_export_that_is_not_read_yet_is_refused_by_name(
    dry_run: Callable[..., Seen], name: str, fields: Json
) -> None:
    for content in (lines(fields, fields), json.dumps([fields], indent=1)):
        run = dry_run(content)

        assert run.code == 2
        assert f"this looks like {name}" in run.err
        assert "a later release reads it; until then, convert it to NDJSON" in run.err


@pytest.mark.parametrize("header", ["speaker,text", "conversation_id,Speaker,message"])
def test_a_table_with_speakers_is_refused(dry_run: Callable[..., Seen], header: str) -> None:
    run = dry_run(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")

    assert run.code == 2
    assert "a transcript with speakers" in run.err


@pytest.mark.parametrize("name", ["conversation_id", "ticket_id", "thread_id", "Ticket ID"])
def test_messages_of_a_thread_that_do_not_say_who_speaks_are_refused(
    dry_run: Callable[..., Seen], name: str
) -> None:
    run = dry_run(f"{name},text\na,My bag was lost\na,We are sorry\nb,Hello\n")

    assert run.code == 2
    assert f"several rows have the same {name.lower()}" in run.err
    assert dry_run(f"{name},text\na,My bag was lost\nb,Hello\na,My bag was lost\n").code == 0


PLAIN: list[Json] = [
    {"text": "hi", "ts": "1", "comments": 4},
    {"id": "T-1", "description": "hi", "requester_id": 4, "status": "open"},
    {"full_text": "hi", "user": {"screen_name": "ann"}, "entities": {}},
    {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]},
    {"text": "hi", "metadata": {"comments": [1]}, "source": "web"},
]


@pytest.mark.parametrize("fields", PLAIN)
def test_what_only_resembles_an_export_is_read(fields: Json) -> None:
    assert formats.recognised(fields) is None


@pytest.mark.parametrize("who", [{"role": "Agent"}, {"inbound": False}, {"user_type": "bot"}])
def test_what_an_agent_said_alone_is_not_the_customers(tmp_path: Path, who: Json) -> None:
    (agent,) = bodies(lines({"text": "We are sorry", "author": "desk", **who}), tmp_path)

    assert agent["messages"] == [{"text": "We are sorry", "author": "desk", "role": "support_agent"}]
    for other in ({"role": "customer"}, {"role": "engineer"}, {"inbound": True}):
        (customer,) = bodies(lines({"text": "My bag was lost", **other}), tmp_path)
        assert customer["text"] == "My bag was lost"


def test_notes_and_notices_that_stand_alone_are_left_out(dry_run: Callable[..., Seen]) -> None:
    objects: list[Json] = [
        {"text": "call back", "private": True},
        {"text": "hi"},
        {"role": "system", "text": "closed"},
    ]

    run = dry_run(objects)

    assert (run.code, "left out: 1 internal note, 1 system turn" in run.out) == (0, True)
    assert "left out: 1 system turn" in dry_run("role,text\nsystem,closed\ncustomer,hi\n").out


def test_a_blank_text_is_not_replaced_by_another_column(dry_run: Callable[..., Seen]) -> None:
    run = dry_run("conversation_id,role,text,description\na,customer,,not said by anybody\n")

    assert "line 2: text is empty" in run.out


# --- values that are no text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"body": {"html": "<p>hi"}}, f"body {OBJECT}"),
        ({"dialogue": ["hi", "hello"]}, "dialogue is a list, not a text"),
        ({"text": True}, "text is true or false, not a text"),
        ({"text": 1.5}, "text is a number with a fraction, not a text"),
        (
            {"text": "hi", "user": {"followers": 3}},
            f"user {OBJECT}",
        ),
        ({"text": "hi", "id": ["1"]}, "id is a list, not a text"),
        (
            {"text": "hi", "external_id": {"a": 1}},
            f"external_id {OBJECT}",
        ),
        (
            {"text": "hi", "created_at": {"year": 2026}},
            f"created_at {OBJECT}",
        ),
        ({"messages": "hi"}, "messages is not a list"),
        (
            {"messages": [{"text": "hi"}, {"text": {}}]},
            f"message 2: text {OBJECT}",
        ),
        (
            {"messages": [{"role": "system", "text": "hi"}]},
            "there are no messages from a customer or an agent",
        ),
    ],
)
def test_what_is_no_text_is_a_rejection_that_names_the_field(
    dry_run: Callable[..., Seen], fields: Json, reason: str
) -> None:
    run = dry_run([fields])

    assert run.code == 1
    assert f"line 1: {reason}" in run.out


def test_of_an_object_it_is_the_known_name_inside(tmp_path: Path) -> None:
    sent: Json = {
        "body": {"text": "hi", "html": "<p>hi"},
        "user": {"id": 4711, "screen_name": "ann"},
        "id": {"$oid": "5e9f"},
        "created_at": {"$date": {"$numberLong": "1509487847000"}},
    }

    assert bodies(lines(sent), tmp_path) == [
        {"text": "hi", "author": "ann", "external_id": "5e9f", "timestamp": "2017-10-31T22:10:47+00:00"}
    ]


def test_whole_numbers_are_texts(tmp_path: Path) -> None:
    assert bodies(lines({"text": 42, "author": 7.0, "id": "x"}), tmp_path) == [
        {"text": "42", "author": "7", "external_id": "x"}
    ]


# --- quotes -------------------------------------------------------------------------------------------------


def test_a_quote_that_is_never_closed_says_where_it_opened_and_what_it_took(
    dry_run: Callable[..., Seen],
) -> None:
    run = dry_run('ref,text\nx0,fine\nx1,"My bag was lost\nx2,good\nx3,good\nx4,good\n')

    assert run.code == 1
    assert "line 3: a quote that opens in line 3 is never closed: it took 3 more rows" in run.out


def test_a_quote_that_opens_in_a_later_line_of_its_row_names_that_line(dry_run: Callable[..., Seen]) -> None:
    run = dry_run('ref,more,text\nx1,"two\nlines","never closed\nx2,b,good\n')

    assert "line 2: a quote that opens in line 3 is never closed: it took 1 more rows" in run.out


def test_a_quote_that_is_closed_at_the_very_end_is_fine(dry_run: Callable[..., Seen]) -> None:
    for ends in ("", "\n", "\n\n"):
        assert dry_run(f'ref,text\nx1,"two\nlines"{ends}').code == 0


def test_a_field_that_holds_rows_is_a_warning(dry_run: Callable[..., Seen]) -> None:
    run = dry_run('number,text\n1601,"My bag was lost\n1602,good\n1603,good\n1604,"" fine"\n1605,good\n')

    assert run.code == 0
    assert "warnings:" in run.out
    assert "line 2: a field holds what looks like 3 rows: is a quote missing?" in run.out


def test_a_text_of_several_lines_is_no_warning(dry_run: Callable[..., Seen]) -> None:
    run = dry_run('number,text\n1601,"Dear all,\nthe bag, which I lost, is back\n\nYours, Ann"\n')

    assert (run.code, "warnings" in run.out) == (0, False)


# --- files --------------------------------------------------------------------------------------------------


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        TIMED.encode("utf-16"),
        b"\xfe\xff" + TIMED.encode("utf-16-be"),
        TIMED.encode("utf-32"),
        gzip.compress(TIMED.encode()),
        gzip.compress(TIMED.encode("utf-16")),
        zipped(rows=TIMED),
        zipped(MACOSX__rows="x", rows=TIMED).replace(b"MACOSX/rows", b"__MACOSX/ro"[:11]),
        b"sep=;\r\n" + TIMED.replace(",", ";").encode(),
        b'"sep=\t"\n' + TIMED.replace(",", "\t").encode(),
    ],
    ids=[
        "utf-16",
        "utf-16-be",
        "utf-32",
        "gzip",
        "gzip of utf-16",
        "zip",
        "zip of a Mac",
        "sep=;",
        "sep=tab",
    ],
)
def test_a_file_is_read_as_it_is_packed_and_encoded(tmp_path: Path, content: bytes) -> None:
    (body,) = bodies(content, tmp_path)

    assert (body["text"], body["timestamp"]) == ("My bag was lost on the way", "2026-11-01T10:00:00+00:00")


def test_rows_below_a_separator_line_keep_their_line_numbers(dry_run: Callable[..., Seen]) -> None:
    assert "line 3: text is empty" in dry_run("sep=;\nref;text\nx; \n").out


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (zipped(**{"[Content_Types].xml": "", "xl__workbook.xml": ""}), "an Excel workbook (XLSX)"),
        (zipped(one="a", two="b"), "a zip of 2 files"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "an old Excel or Office file; save it as CSV"),
        (b"PAR1" + b"\0" * 100, "a Parquet file"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n", "WebVTT subtitles"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhi\n", "SRT subtitles"),
        (b"31/10/17, 22:10 - Ann: My bag was lost\n", "a WhatsApp chat"),
        ("\u200e[31.10.17, 22:10:47] Ann: hi\n".encode(), "a WhatsApp chat"),
        (b"From ann@example.org Tue Oct 31 22:10:47 2017\nFrom: a@b\nSubject: x\n\nhi\n", "an mbox of mail"),
        (b"<!DOCTYPE html><html>", "HTML or XML"),
        (gzip.compress(TIMED.encode())[:-12], "Compressed file ended"),
        (b"PK\x03\x04broken", "not a zip file"),
    ],
)
def test_what_has_no_rows_is_refused_with_what_to_do(
    dry_run: Callable[..., Seen], content: bytes, hint: str
) -> None:
    run = dry_run(content)

    assert run.code == 2
    assert hint in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["Ticket Description", "instruction", "dialogue", "description", "full_text"]
)
def test_a_text_goes_by_the_names_of_public_files(tmp_path: Path, name: str) -> None:
    assert [each["text"] for each in bodies(f"number,{name}\n1,hello\n", tmp_path)] == ["hello"]
    assert [each["text"] for each in bodies(lines({name.lower(): "hello"}), tmp_path)] == ["hello"]


@pytest.mark.parametrize("wrapper", ["tickets", "data", "results", "items"])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_that_an_object_wraps_is_read_item_by_item(
    tmp_path: Path, dry_run: Callable[..., Seen], wrapper: str, indent: int | None
) -> None:
    tickets = [{"ref": 1, "description": "hello"}, {"ref": 2, "description": ""}]
    content = json.dumps({"count": 2, wrapper: tickets, "next_page": None}, indent=indent)

    assert [each["text"] for each in bodies(json.dumps({wrapper: tickets[:1]}, indent=indent), tmp_path)] == [
        "hello"
    ]
    assert f"line {1 if indent is None else 8}: text is empty" in dry_run(content).out


def test_an_object_with_a_text_is_not_unwrapped(tmp_path: Path) -> None:
    (body,) = bodies(lines({"text": "hello", "items": [{"text": "no"}]}), tmp_path)

    assert body["metadata"] == {"items": [{"text": "no"}]}


@pytest.mark.parametrize(
    ("written", "iso"), [("1509487847", "22:10:47+"), ("1509487847123", "22:10:47.123000+")]
)
def test_epoch_times_are_read(tmp_path: Path, written: str, iso: str) -> None:
    from_csv = bodies(f"timestamp,text\n{written},hello\n", tmp_path)
    from_json = bodies(lines({"timestamp": int(written), "text": "hello"}), tmp_path)

    assert [each["timestamp"][:17] for each in (*from_csv, *from_json)] == [f"2017-10-31T{iso[:6]}"] * 2
    assert iso in from_csv[0]["timestamp"]


# --- what is printed ----------------------------------------------------------------------------------------


def test_the_table_says_what_was_left_out_by_kind(dry_run: Callable[..., Seen]) -> None:
    turns: list[Json] = [
        {"role": "user", "text": "hi", "timestamp": "2026-11-01 10:00"},
        {"role": "agent", "text": "call back", "private": True},
        {"role": "agent", "text": "call again", "public": False},
        {"role": "system", "text": "closed"},
    ]

    run = dry_run([{"conversation_id": "a", "messages": turns}])

    assert run.code == 0
    assert "Dry run: nothing was sent" in run.out
    assert "left out: 2 internal notes, 1 system turn\n" in run.out
    assert "times without an offset: 1, read as UTC (--time-zone names another)" in run.out


def test_a_zone_that_nobody_knows_is_refused(
    dry_run: Callable[..., Seen], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        dry_run(TIMED, "--time-zone", "Mars/Base")
    assert "--time-zone Mars/Base: no zone has this name" in capsys.readouterr().err


def test_a_local_time_is_read_in_the_zone_that_was_named(dry_run: Callable[..., Seen]) -> None:
    run = dry_run("date,text\n2026-07-01 12:00,hello\n", "--time-zone", "Europe/Berlin")

    assert "times without an offset: 1, read as Europe/Berlin" in run.out


def test_an_ambiguous_date_names_the_option(dry_run: Callable[..., Seen]) -> None:
    content = "date,text\n10/11/2026,hello\n"

    assert "--date-order DMY or MDY says which" in dry_run(content).out
    assert dry_run(content, "--date-order", "DMY").code == 0
