"""Values, quotes and files that broke in real hands, each by an example and its cousins, by the program's dry run."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.support.importing import TIMED, DryRun, Json, bodies, lines

OBJECT = "is an object without a known text in it, not a text"


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


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
    dry_run: DryRun, fields: Json, reason: str
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
    dry_run: DryRun,
) -> None:
    run = dry_run('ref,text\nx0,fine\nx1,"My bag was lost\nx2,good\nx3,good\nx4,good\n')

    assert run.code == 1
    assert "line 3: a quote that opens in line 3 is never closed: it took 3 more rows" in run.out


def test_a_quote_that_opens_in_a_later_line_of_its_row_names_that_line(dry_run: DryRun) -> None:
    run = dry_run('ref,more,text\nx1,"two\nlines","never closed\nx2,b,good\n')

    assert "line 2: a quote that opens in line 3 is never closed: it took 1 more rows" in run.out


def test_a_quote_that_is_closed_at_the_very_end_is_fine(dry_run: DryRun) -> None:
    for ends in ("", "\n", "\n\n"):
        assert dry_run(f'ref,text\nx1,"two\nlines"{ends}').code == 0


def test_a_field_that_holds_rows_is_a_warning(dry_run: DryRun) -> None:
    run = dry_run('number,text\n1601,"My bag was lost\n1602,good\n1603,good\n1604,"" fine"\n1605,good\n')

    assert run.code == 0
    assert "warnings:" in run.out
    assert "line 2: a field holds what looks like 3 rows: is a quote missing?" in run.out


def test_a_text_of_several_lines_is_no_warning(dry_run: DryRun) -> None:
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
        gzip.compress(TIMED.encode(), mtime=0),
        gzip.compress(TIMED.encode("utf-16"), mtime=0),
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


def test_rows_below_a_separator_line_keep_their_line_numbers(dry_run: DryRun) -> None:
    assert "line 3: text is empty" in dry_run("sep=;\nref;text\nx; \n").out


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (zipped(one="a", two="b"), "a zip of 2 files"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100,
            "an old Excel or Office file, or an Outlook message",
        ),
        (b"PAR1" + b"\0" * 100, "a Parquet file"),
        (
            zipped(**{"[Content_Types].xml": "", "word__document.xml": ""}),
            "an Office file that is no Excel workbook",
        ),
        (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "an OpenDocument file"),
        (b"!BDN" + b"\0" * 100, "an Outlook data file (PST)"),
        (b"0:00:01.000,0:00:02.000\nhi\n", "SBV subtitles"),
        (b"[Script Info]\nTitle: x\n", "SubStation Alpha"),
        (b"[2026-11-03, 12:00] Ada: hi\n", "a Signal chat"),
        (b"[LINE] Chat history with Ann\n", "a LINE chat"),
        (b"<?xml version='1.0'?><tt></tt>", "HTML or XML"),
        (b"<!DOCTYPE html><html>", "HTML or XML"),
        (gzip.compress(TIMED.encode(), mtime=0)[:-12], "Compressed file ended"),
        (b"PK\x03\x04broken", "not a zip file"),
        (zipped(), "an empty zip"),
        (zipped(**{"folder/": ""}), "a zip without a file in it"),
        (bytes(range(256)) * 20, "its first line holds control characters"),
    ],
)
def test_what_has_no_rows_is_refused_with_what_to_do(dry_run: DryRun, content: bytes, hint: str) -> None:
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
    tmp_path: Path, dry_run: DryRun, wrapper: str, indent: int | None
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


def test_the_table_says_what_was_left_out_by_kind(dry_run: DryRun) -> None:
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


def test_a_zone_that_nobody_knows_is_refused(dry_run: DryRun, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dry_run(TIMED, "--time-zone", "Mars/Base")
    assert "--time-zone Mars/Base: no zone has this name" in capsys.readouterr().err


def test_a_local_time_is_read_in_the_zone_that_was_named(dry_run: DryRun) -> None:
    run = dry_run("date,text\n2026-07-01 12:00,hello\n", "--time-zone", "Europe/Berlin")

    assert "times without an offset: 1, read as Europe/Berlin" in run.out


def test_an_ambiguous_date_names_the_option(dry_run: DryRun) -> None:
    content = "date,text\n10/11/2026,hello\n"

    assert "--date-order DMY or MDY says which" in dry_run(content).out
    assert dry_run(content, "--date-order", "DMY").code == 0
