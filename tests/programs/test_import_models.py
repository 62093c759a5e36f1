"""Dialogues with language models, and Excel workbooks; by what is sent of them."""

import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from client.importers.fields import Reader
from tests.support.importing import DryRun, Json, bodies, lines

# --- messages of models -------------------------------------------------------------------------------------

MESSAGES: list[Json] = [
    {"role": "system", "content": "You are helpful."},
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "My lamp"}, {"type": "image_url", "image_url": {}}],
    },
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
    {"role": "tool", "tool_call_id": "1", "content": "stock: 3"},
    {"role": "assistant", "content": "Here is a new one.", "tool_calls": [], "refusal": None},
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "Thanks."}, {"type": "text", "text": "Bye."}],
    },
]
SAID = [("customer", "My lamp"), ("support_agent", "Here is a new one."), ("customer", "Thanks.\nBye.")]


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def test_a_dialogue_with_a_model_is_a_conversation(tmp_path: Path) -> None:
    reader = Reader()
    (body,) = bodies(lines({"messages": MESSAGES}), tmp_path, reader)

    assert [(each["role"], each["text"]) for each in body["messages"]] == SAID
    assert reader.left_out == {"system turn": 2, "media": 1, "tool call": 2}
    assert bodies(lines({"messages": MESSAGES}), tmp_path, name="other") == [body]


def test_what_is_left_out_of_it_is_named(dry_run: DryRun) -> None:
    run = dry_run([{"messages": MESSAGES}])

    assert run.code == 0
    assert "left out: 2 tool calls, 2 system turns, 1 media\n" in run.out


def test_a_dialogue_with_an_id_is_a_chat(dry_run: DryRun) -> None:
    run = dry_run([{"conversation_id": "d-1", "messages": MESSAGES}], "--format", "openai")

    assert (run.code, "left out: 2 tool calls, 2 system turns, 1 media\n" in run.out) == (0, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"type": "text", "text": 3}], "a part of content is no text"),
        (3.5, "message 1: content is a number with a fraction, not a text"),
        ({"parts": ["hi"]}, "message 1: content is an object without a known text in it"),
    ],
)
def test_content_that_is_no_text_rejects_the_dialogue(dry_run: DryRun, content: Any, reason: str) -> None:
    run = dry_run([{"messages": [{"role": "user", "content": content}]}])

    assert run.code == 1
    assert f"line 1: {reason}" in run.out


# --- workbooks ----------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 11, 3, 12, 0)  # noqa: DTZ001 - a cell has no offset
ROWS: list[list[Any]] = [
    [None, None, None],
    ["Ticket ID", "Opened at", "Text", "Paid", "Number"],
    ["T-1", MOMENT, "My lamp flickers", True, 7.0],
    [None, None, None],
    ["T-2", date(2026, 11, 4), "Since Friday", False, 0.5],
    ["T-3", "2026-11-05", 42, None, 943071829130117120],
]


def workbook(*sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for at, rows in enumerate(sheets):
        sheet = book.active if at == 0 else book.create_sheet("more")
        assert sheet is not None
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


OPTIONS = ("--time-column", "Opened at", "--id-column", "Ticket ID")


def test_the_rows_of_the_first_sheet_are_read_as_those_of_a_csv(dry_run: DryRun) -> None:
    run = dry_run(workbook(ROWS, [["Text"], ["not read"]]), *OPTIONS)

    assert (run.code, run.err) == (0, "")
    assert "only the first sheet is read, not more" in run.out
    assert "dated at intake" not in run.out
    assert "times without an offset: 3" in run.out


def sent(content: bytes, folder: Path) -> list[Json]:
    reader = Reader(timestamp=("opened at",), identity=("ticket id",))
    return bodies(content, folder, reader)


def test_a_cell_is_written_as_somebody_would_have_in_a_csv(tmp_path: Path) -> None:
    first, second, third = sent(workbook(ROWS), tmp_path)

    assert first == {
        "text": "My lamp flickers",
        "timestamp": "2026-11-03T12:00:00+00:00",
        "external_id": "T-1",
        "metadata": {"paid": "true", "number": "7"},
    }
    assert second["timestamp"] == "2026-11-04T00:00:00+00:00"
    assert second["metadata"] == {"paid": "false", "number": "0.5"}
    assert (third["text"], third["metadata"]) == ("42", {"number": "9.43071829130117E+17"})


def test_an_error_of_a_formula_rejects_its_row(dry_run: DryRun) -> None:
    run = dry_run(workbook([["text", "n"], ["hi", "#N/A"], ["hello", 1]]))

    assert run.code == 1
    assert "line 2: n holds an error of a formula, not a value" in run.out


def test_a_workbook_may_be_packed_again(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("book.xlsx", workbook(ROWS))

    assert sent(out.getvalue(), tmp_path) == sent(workbook(ROWS), tmp_path)


def test_messages_in_the_rows_of_a_workbook_are_chats(dry_run: DryRun) -> None:
    rows = [["conversation_id", "role", "text"], ["c-1", "customer", "hi"], ["c-1", "agent", "hello"]]
    run = dry_run(workbook(rows))

    assert (run.code, "│ 1 " in run.out) == (0, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (workbook([]), "the first sheet is empty"),
        (workbook([["a", "b"], [1, 2]]), "no column is called text"),
        (workbook(ROWS)[:-100], "not a zip file"),
    ],
    ids=["empty", "no text", "cut"],
)
def test_a_workbook_without_texts_is_refused(dry_run: DryRun, content: bytes, reason: str) -> None:
    run = dry_run(content)

    assert run.code == 2
    assert reason in run.err


def test_the_time_of_a_cell_is_local(tmp_path: Path) -> None:
    (first, *_) = sent(workbook(ROWS), tmp_path)

    assert datetime.fromisoformat(first["timestamp"]) == MOMENT.replace(tzinfo=UTC)
    assert json.dumps(first)
