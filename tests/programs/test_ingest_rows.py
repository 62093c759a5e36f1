"""Files as they come: tables from Kaggle and Excel, JSON of several shapes, and what is odd in them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.importers.chats import Dialogues, Record, from_objects
from client.importers.conversations import Conversation, from_table
from client.importers.fields import Reader
from client.importers.rows import (
    CHUNK,
    LARGEST_VALUE,
    Items,
    Lines,
    Rejected,
    Row,
    Rows,
    Table,
    Unreadable,
    opened,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)

Body = Mapping[str, Any]


def read(content: str | bytes, encoding: str = "utf-8-sig") -> tuple[Rows, list[Row | Rejected]]:
    with TemporaryDirectory() as folder, opened(written(content, Path(folder)), encoding) as rows:
        return rows, list(rows)


def records(content: str, name: str = "rows") -> list[Record]:
    with TemporaryDirectory() as folder, opened(written(content, Path(folder), name), "utf-8-sig") as rows:
        return list(
            from_table(rows, Reader()) if isinstance(rows, Table) else from_objects(rows, Dialogues())
        )


def written(content: str | bytes, folder: Path, name: str = "rows") -> Path:
    path = folder / f"{name}.data"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bodies(content: str, name: str = "rows") -> list[Body]:
    found = records(content, name)
    assert all(isinstance(record, Conversation) for record in found), found
    return [json.loads(record.body) for record in found if isinstance(record, Conversation)]


def table(*rows: Sequence[str], ends: str = "\n") -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator=ends).writerows(rows)
    return lines.getvalue()


@settings(deadline=None)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), ends=st.sampled_from(["\n", "\r\n"]))
def test_every_text_of_a_table_arrives_as_it_was_written(texts: list[tuple[str, str]], ends: str) -> None:
    # At the very end of a line a carriage return belongs to the line, so the texts are not there.
    rows, found = read(table(("text", "more", "id"), *((*pair, "1") for pair in texts), ends=ends))

    assert isinstance(rows, Table)
    assert [row.fields for row in found if isinstance(row, Row)] == [
        {"text": one, "more": other, "id": "1"} for one, other in texts
    ]


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab \r"), min_size=1).map(lambda text: f"x{text}x"), min_size=1))
def test_a_bare_carriage_return_in_an_unquoted_field_is_part_of_it(texts: list[str]) -> None:
    _, found = read("text,n\n" + "".join(f"{text},{n}\n" for n, text in enumerate(texts)))

    assert found == [Row(n + 2, {"text": text, "n": str(n)}) for n, text in enumerate(texts)]


def test_a_row_knows_the_line_it_starts_at() -> None:
    _, found = read('text\none\n"two\nlines"\nfour\n')

    assert [row.line for row in found] == [2, 3, 5]


def test_the_index_column_without_a_name_is_left_out() -> None:
    _, found = read(",Text\n0,hello\n")

    assert found == [Row(2, {"text": "hello"})]


def test_rows_of_nothing_but_commas_are_counted_and_left_out() -> None:
    rows, found = read("id,text\n1,a\n" + ",\n" * 1_000 + " ,\n\n2,b\n")

    assert [row.line for row in found] == [2, 1_005]
    assert rows.blank == 1_002


def test_a_short_row_is_filled_up_and_a_long_one_rejected() -> None:
    _, found = read("id,text,more\n1,a\n2,b,c,,\n3,b,c,d\n")

    assert found == [
        Row(2, {"id": "1", "text": "a", "more": ""}),
        Row(3, {"id": "2", "text": "b", "more": "c"}),
        Rejected(4, "4 fields where the header names 3"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_in_the_header(delimiter: str) -> None:
    _, found = read(f"id{delimiter}text\n1{delimiter}a\n")

    assert found == [Row(2, {"id": "1", "text": "a"})]


def test_a_byte_that_is_not_of_the_encoding_spoils_its_own_row_alone() -> None:
    content = "text\nfine\ncafé\nfine\n".encode("cp1252")

    assert read(content)[1] == [
        Row(2, {"text": "fine"}),
        Rejected(3, "not valid utf-8-sig; --encoding names another"),
        Row(4, {"text": "fine"}),
    ]
    assert read(content, "cp1252")[1][1] == Row(3, {"text": "café"})


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    _, found = read(b"\xef\xbb\xbftext\nhello\n")

    assert found == [Row(2, {"text": "hello"})]


def test_a_quote_that_is_never_closed_costs_a_part_of_the_file_and_is_told() -> None:
    _, found = read('text\n"never closed\n' + "x" * 1_000 + "\n" * 1 + ("y" * 1_000 + "\n") * 200 + "end\n")

    assert found[0] == Rejected(2, "not CSV: field larger than field limit (131072); lines 2 to 133 are lost")
    assert found[-1] == Row(204, {"text": "end"})


@pytest.mark.parametrize(
    ("content", "encoding"),
    [("", "utf-8-sig"), (" \n", "utf-8-sig"), ("text\n", "no-such-encoding"), (b"t\0e", "utf-16")],
)
def test_a_file_without_rows_is_unreadable(content: str | bytes, encoding: str) -> None:
    with pytest.raises(Unreadable):
        read(content, encoding)


def test_what_ends_within_a_character_is_unreadable() -> None:
    content = ("text\n" + f"{'a' * 1_000}\n" * (CHUNK // 500)).encode("utf-16")[:-1]

    with pytest.raises(Unreadable, match="truncated"):
        read(content, "utf-16")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"text": "a"}\n{"text": "b"}\n', Lines),
        ('[{"text": "a"}, {"text": "b"}]', Items),
        ('\n [\n {"text": "a"},\n {"text": "b"}\n]\n', Items),
        ('{\n "text": "a"\n}\n{\n "text": "b"\n}\n', Items),
    ],
)
def test_json_comes_in_several_shapes(content: str, kind: type[Rows]) -> None:
    rows, found = read(content)

    assert type(rows) is kind
    assert [row.fields for row in found if isinstance(row, Row)] == [{"text": "a"}, {"text": "b"}]


def test_a_line_that_is_no_object_is_rejected_and_the_next_is_read() -> None:
    _, found = read('{"text": "a"}\n\n{"text": \n[1]\n{"text": "b"}\n')

    assert [row.line for row in found] == [1, 3, 4, 5]
    assert isinstance(found[1], Rejected)
    assert found[1].reason == "not JSON: the line ends in the middle"
    assert found[2:] == [Rejected(4, "not a JSON object"), Row(5, {"text": "b"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", x}', "not JSON at column 15"),
        ("text", "not JSON at column 1"),
        ('{"text": ' + "9" * 5_000 + "}", "not JSON: a number is too long"),
        ("[" * 200_000, "not JSON: nested too deeply"),
    ],
    ids=["column", "no JSON", "number", "nested"],
)
def test_a_line_that_is_no_json_is_told_so_in_plain_words(line: str, reason: str) -> None:
    _, found = read(f'{{"text": "a"}}\n{line}\n')

    assert found[1] == Rejected(2, reason)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON), st.data())
def test_a_line_that_breaks_off_anywhere_is_told_so(fields: dict[str, object], data: st.DataObject) -> None:
    whole = json.dumps(fields)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]

    _, found = read(f'{{"text": "a"}}\n{cut}\n')

    assert found[1] == Rejected(2, "not JSON: the line ends in the middle")


def test_an_array_larger_than_what_is_read_at_once_arrives_whole() -> None:
    objects = [{"n": n, "text": "x" * (n % 3_000)} for n in range(3_000)]
    content = json.dumps(objects, indent=1)
    assert len(content) > 2 * CHUNK

    _, found = read(content)

    assert [row.fields for row in found if isinstance(row, Row)] == objects
    assert [row.line for row in found] == [2 + 4 * n for n in range(3_000)]


def test_what_follows_broken_json_in_an_array_is_told_of() -> None:
    _, found = read('[{"text": "a"},\n 3,\n {"text": }, {"text": "b"}]')

    assert found == [
        Row(1, {"text": "a"}),
        Rejected(2, "not a JSON object"),
        Rejected(3, "not JSON from here on: nothing after it was read"),
    ]


def test_broken_json_is_not_read_to_the_end_of_a_large_file(tmp_path: Path) -> None:
    with opened(written('[{"text": }' + " " * 2 * LARGEST_VALUE, tmp_path), "utf-8") as rows:
        assert [row.line for row in rows] == [1]
        assert rows.position < rows.size


@pytest.mark.parametrize("name", ["text", "Tweet", "message", "content", "BODY"])
def test_a_text_column_goes_by_several_names(name: str) -> None:
    assert [body["text"] for body in bodies(f"number,{name}\n1,hello\n")] == ["hello"]


def test_a_table_without_a_text_column_is_unreadable_and_its_columns_are_named() -> None:
    with pytest.raises(Unreadable, match="there are 'number, grade'"):
        records("Number,grade\n1,2\n")


def test_a_row_keeps_what_the_api_has_no_field_for_as_metadata() -> None:
    content = "id,text,user,created_at,airline,empty\n7,hello,ann,2015-02-24 11:35:52 -0800,Velmora,\n"

    assert bodies(content) == [
        {
            "text": "hello",
            "author": "ann",
            "timestamp": "2015-02-24T19:35:52+00:00",
            "external_id": "7",
            "metadata": {"airline": "Velmora"},
        }
    ]


def test_a_row_without_a_usable_text_or_time_is_rejected() -> None:
    found = records("text,date\n ,2026-11-01\n" + "x" * 20_001 + ",\nhello,yesterday\n")

    assert [(record.line, type(record)) for record in found] == [(2, Rejected), (3, Rejected), (4, Rejected)]


def test_rows_without_an_id_get_the_same_one_in_every_run() -> None:
    content = "text,n\nhello,1\nhello,1\nhello,2\n"
    names = [body["external_id"] for body in bodies(content)]

    assert [body["external_id"] for body in bodies(content)] == names
    assert len(set(names)) == 3
    assert [body["external_id"] for body in bodies("text,n\nhello,2\nhello,1\n")] == [names[2], names[0]]
    assert [body["external_id"] for body in bodies(content, name="other")] == names


def test_an_object_in_the_shape_of_the_api_passes_as_it_is() -> None:
    sent = {
        "conversation_id": "c1",
        "messages": [{"role": "customer", "text": "hi"}],
        "timestamp": "2026-11-01T00:00:00Z",
        "raw_data": {"a": 1},
        "metadata": {"b": None},
    }

    assert bodies(json.dumps(sent)) == [sent]


def test_what_the_api_does_not_know_of_an_object_goes_into_its_metadata() -> None:
    sent = {"external_id": "7", "messages": [{"text": "hi"}], "summary": "s", "metadata": {"own": 1}}

    assert bodies(json.dumps(sent)) == [
        {"external_id": "7", "messages": [{"text": "hi"}], "metadata": {"own": 1, "summary": "s"}}
    ]


def test_an_object_may_use_the_names_of_a_table() -> None:
    sent = {"id": 7, "message_content": "hi", "user_id": 4711, "created_at": "2026-11-01"}

    assert bodies(json.dumps(sent)) == [
        {"external_id": "7", "text": "hi", "author": "4711", "timestamp": "2026-11-01T00:00:00+00:00"}
    ]


def test_objects_without_an_id_get_the_same_one_wherever_they_are() -> None:
    one, other = [
        [body["external_id"] for body in bodies(content, name)]
        for content, name in [
            ('{"text": "a", "author": "x"}\n{"text": "a", "author": "x"}', "lines"),
            ('[{"author": "x", "text": "a"}, {"author": "x", "text": "a"}]', "array"),
        ]
    ]

    assert one == other
    assert len(set(one)) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "raw_data": {"x": NaN}}', "holds NaN or Infinity, which are not JSON"),
        (r'{"text": "a", "raw_data": {"x": "\ud83d"}}', "holds a lone surrogate"),
        ('{"author": "x"}', "there is no text"),
        ('{"text": ""}', "text is empty"),
    ],
)
def test_an_object_that_cannot_be_sent_is_rejected(line: str, reason: str) -> None:
    assert records(line) == [Rejected(1, reason)]
