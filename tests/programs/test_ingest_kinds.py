"""Times, ids and formats that broke in real hands, each by an example and its cousins, by the program's dry run."""

import csv
import io
import json
from pathlib import Path

import pytest

import ingest_data
from client.importers import formats
from client.importers.fields import Reader
from tests.support.importing import TIMED, DryRun, Json, bodies, lines


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


# --- no time column -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["when", "time_stamp", "Opened at", "sent"])
def test_a_file_without_a_time_column_is_told_of_before_and_after(dry_run: DryRun, column: str) -> None:
    run = dry_run(f"{column},text\n2026-11-01,hello\n2026-11-02,world\n")

    first, *_ = run.out.splitlines()
    assert first.startswith("no time column; looked for timestamp, created_at, datetime, date, tweet_created")
    assert f"is it {column.lower()}?" in first
    assert "--time-column" in first
    assert "dated at intake: 2" in run.out
    named = dry_run(f"{column},text\n2026-11-01,hello\n2026-11-02,world\n", "--time-column", column)
    assert "intake" not in named.out


def test_a_column_that_holds_no_times_is_not_taken_for_one(dry_run: DryRun) -> None:
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
def test_a_column_that_is_not_there_is_named_with_those_that_are(dry_run: DryRun, option: str) -> None:
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


def test_an_export_that_was_cut_is_rejected(dry_run: DryRun) -> None:
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
def test_small_numbers_as_ids_want_a_source(dry_run: DryRun, content: str) -> None:
    refused, named = dry_run(content), dry_run(content, "--source", "shop")

    assert refused.code == 2
    assert "--source NAME goes before them" in refused.err
    assert (named.code, named.err) == (0, "")


@pytest.mark.parametrize("id_", ["943071829130117120", "T-17", "5e9f8f8f8f8f8f8f8f8f8f8f"])
def test_ids_that_no_other_file_has_need_no_source(dry_run: DryRun, id_: str) -> None:
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


# --- formats that are not read ------------------------------------------------------------------------------

FOREIGN: list[tuple[str, Json]] = [
    (
        "HubSpot",
        {"results": [{"id": "m", "conversationsThreadId": "1", "text": "hi", "direction": "INCOMING"}]},
    ),
    ("Help Scout", {"id": 1, "_embedded": {"threads": [{"body": "hi"}]}}),
    ("Front", {"id": "msg_1", "is_inbound": True, "body": "hi", "created_at": 1_453_770_984.123}),
    ("Gorgias", {"id": 1, "from_agent": True, "body_text": "hi", "channel": "email"}),
    ("Messenger", {"messages": [{"sender_name": "A", "timestamp_ms": 1_509_487_847_000, "content": "hi"}]}),
    (
        "Amazon Connect",
        {"ParticipantRole": "CUSTOMER", "Content": "hi", "AbsoluteTime": "2026-11-01T10:00:00Z"},
    ),
    ("Discord", {"guild": {"id": "1"}, "messages": [{"id": "2", "content": "hi"}]}),
    ("Twilio", {"conversation_sid": "CH1", "body": "hi", "author": "+1"}),
    ("ShareGPT", {"id": "x", "conversations": [{"from": "human", "value": "hi"}]}),
    ("ChatGPT", {"title": "x", "mapping": {}, "current_node": "n"}),
    ("Google Chat", {"messages": [{"creator": {"name": "A"}, "text": "hi", "topic_id": "t"}]}),
    ("Crisp", {"session_id": "s", "fingerprint": 1, "content": "hi"}),
    ("Genesys", {"conversationId": "c", "transcripts": []}),
    ("Google CCAI", {"entries": [], "conversation_info": {}}),
]


@pytest.mark.parametrize(("name", "fields"), FOREIGN)
def test_an_export_that_is_not_read_is_refused_by_name(dry_run: DryRun, name: str, fields: Json) -> None:
    for content in (lines(fields, fields), json.dumps([fields], indent=1)):
        run = dry_run(content)

        assert run.code == 2
        assert f"this looks like {name}" in run.err
        assert "a format that is not read: convert it to NDJSON" in run.err


def test_a_table_in_the_fields_of_a_help_desk_is_refused(dry_run: DryRun) -> None:
    run = dry_run("ticket_id,author_id,body,public\n1,2,hi,true\n")

    assert run.code == 2
    assert "this looks like Zendesk ticket comments, a format that is read as JSON, not as a table" in run.err


@pytest.mark.parametrize("header", ["speaker,text", "conversation_id,Speaker,message"])
def test_a_table_with_speakers_is_refused(dry_run: DryRun, header: str) -> None:
    run = dry_run(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")

    assert run.code == 2
    assert "a transcript with speakers" in run.err


@pytest.mark.parametrize("name", ["conversation_id", "ticket_id", "thread_id", "Ticket ID"])
def test_messages_of_a_thread_that_do_not_say_who_speaks_are_refused(dry_run: DryRun, name: str) -> None:
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


def test_notes_and_notices_that_stand_alone_are_left_out(dry_run: DryRun) -> None:
    objects: list[Json] = [
        {"text": "call back", "private": True},
        {"text": "hi"},
        {"role": "system", "text": "closed"},
    ]

    run = dry_run(objects)

    assert (run.code, "left out: 1 internal note, 1 system turn" in run.out) == (0, True)
    assert "left out: 1 system turn" in dry_run("role,text\nsystem,closed\ncustomer,hi\n").out


def test_a_blank_text_is_not_replaced_by_another_column(dry_run: DryRun) -> None:
    run = dry_run("conversation_id,role,text,description\na,customer,,not said by anybody\n")

    assert "line 2: text is empty" in run.out
