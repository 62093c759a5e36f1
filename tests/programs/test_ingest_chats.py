"""`ingest_data.py` with dialogues: they become chats, turn by turn, once however often they are sent."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.serving import served
from client.importers.chats import Chat, Dialogues, Record, are_in, from_objects
from client.importers.conversations import Conversation
from client.importers.fields import Reader
from client.importers.rows import Rejected, Row, opened
from client.importing.together import MAX_MESSAGES, MAX_POST, posts
from tests.programs.test_ingest_data import Ended, Program
from tests.support.fake_platform import FakePlatform
from tests.support.service import Grok, Service, running

DIALOGS = Path(__file__).parents[3] / "shared" / "data" / "support_dialogs_300.jsonl"
LAMP = ["My lamp flickers. What can I do?", "Please send us a photo of the plug.", "Done, thanks!"]
BILL = ["Why was I billed twice?", "One of them has been refunded."]
ROLES = ("customer", "support_agent")


def dialogue(id_: str, said: Sequence[str], **more: Any) -> Json:
    turns = [{"role": ROLES[at % 2], "text": text} for at, text in enumerate(said)]
    return {"conversation_id": id_, "messages": turns, **more}


def lines(*objects: Json) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def records(content: str) -> tuple[list[Record], Dialogues]:
    dialogues = Dialogues()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text(content)
        with opened(path, "utf-8") as rows:
            return list(from_objects(rows, dialogues)), dialogues


def messages_of(record: Record) -> list[Json]:
    assert isinstance(record, Chat), record
    return [json.loads(message) for message in record.messages]


# --- what is in a file --------------------------------------------------------------------------------------


def test_a_dialogue_becomes_messages_that_are_called_by_their_position() -> None:
    (found,), dialogues = records(lines(dialogue("lamp", LAMP, extractive_summary="A lamp flickers.")))

    assert messages_of(found) == [
        {
            "conversation_id": "lamp",
            "message_id": str(position),
            "user_id": f"{ROLES[(position - 1) % 2]}:lamp",
            "user_type": ROLES[(position - 1) % 2],
            "message_content": text,
        }
        for position, text in enumerate(LAMP, 1)
    ]
    assert dialogues.reader.fields_left_out == {"extractive_summary": 1}


def test_what_only_a_conversation_has_room_for_is_sent_as_a_conversation() -> None:
    objects: list[Json] = [
        dialogue("lamp", LAMP, metadata={"shop": 3}),
        dialogue("bill", BILL) | {"external_id": "77"},
        {"conversation_id": "text", "text": "It flickers."},
        {"messages": dialogue("", BILL)["messages"]},
    ]
    found, dialogues = records(lines(*objects))

    assert all(isinstance(each, Conversation) for each in found)
    assert not dialogues.reader.fields_left_out


def test_one_bad_turn_rejects_its_dialogue_and_says_which() -> None:
    broken = dialogue("bill", [BILL[0], "  "])
    strange = dialogue("lamp", LAMP)
    strange["messages"][2]["role"] = "robot"
    found, _ = records(lines(broken, strange))

    assert found == [
        Rejected(1, "message 2: text is empty"),
        Rejected(2, "message 3: the role is neither customer nor support_agent"),
    ]


def test_messages_in_rows_of_their_own_are_put_together_and_sorted_where_all_have_a_time() -> None:
    objects: list[Json] = [
        {"conversation_id": "b", "user_type": "customer", "text": "b1", "timestamp": "2026-11-02T10:00:00Z"},
        {"conversation_id": "a", "inbound": False, "text": "a1", "user_id": "Ada", "colour": "red"},
        {"conversation_id": "b", "role": "agent", "text": "b2", "timestamp": "2026-11-01T10:00:00Z"},
        {"conversation_id": "a", "inbound": True, "text": "a2", "message_id": "own"},
    ]
    (b, a), dialogues = records(lines(*objects))

    assert [(each["message_id"], each["message_content"]) for each in messages_of(b)] == [
        ("2", "b2"),
        ("1", "b1"),
    ]
    assert [(each["message_id"], each["user_id"], each["user_type"]) for each in messages_of(a)] == [
        ("1", "Ada", "support_agent"),
        ("own", "customer:a", "customer"),
    ]
    assert (dialogues.taken, dialogues.given) == (4, 4)
    assert dialogues.reader.fields_left_out == {"colour": 1}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"role": "customer", "text": ""}, "text is empty"),
        ({"role": "robot", "text": "beep"}, "the role is neither customer nor support_agent"),
        ({"role": "agent", "inbound": True, "text": "hi"}, "role, inbound disagree on who speaks"),
        (
            {"role": "agent", "text": {"html": "<p>"}},
            "text is an object without a known text in it, not a text",
        ),
    ],
)
def test_one_row_that_cannot_be_read_rejects_its_dialogue_and_no_other(wrong: Json, reason: str) -> None:
    objects = [
        {"conversation_id": "a", "role": "customer", "text": "a1"},
        {"conversation_id": "b", "role": "customer", "text": "b1"},
        {"conversation_id": "a", **wrong},
        {"conversation_id": "a", "role": "agent", "text": "a3"},
    ]
    (a, b), _ = records(lines(*objects))

    assert a == Rejected(3, f"{reason} (none of the conversation's 3 turns is sent)")
    assert [each["message_content"] for each in messages_of(b)] == ["b1"]


def test_a_row_that_is_no_text_rejects_its_dialogue_too() -> None:
    dialogues = Dialogues()
    dialogues.take(Row(2, {"chat_id": "a", "role": "customer", "text": "one"}))
    dialogues.take(Rejected(3, "not valid utf-8", {"chat_id": "a", "role": "agent"}))

    assert list(dialogues.chats()) == [
        Rejected(3, "not valid utf-8 (none of the conversation's 2 turns is sent)")
    ]
    assert dialogues.take(Rejected(4, "lost")) == Rejected(4, "lost")
    assert dialogues.take(Row(9, {"chat_id": "", "role": "customer", "text": "x"})) == Rejected(
        9, "there is no conversation_id"
    )


@pytest.mark.parametrize("word", ["assistant", "bot", "Admin", "AGENT", "support_agent", "false"])
def test_every_word_for_an_agent_is_read_in_any_case(word: str) -> None:
    turns = [
        {"role": "End-User", "text": "hi"},
        {"role": word, "text": "hello"},
        {"user_type": "user", "text": "so"},
    ]
    (chat,), _ = records(lines({"conversation_id": "a", "messages": turns}))

    assert [each["user_type"] for each in messages_of(chat)] == ["customer", "support_agent", "customer"]


def test_system_turns_and_notes_are_left_out_and_counted_and_the_others_keep_their_positions() -> None:
    turns: list[Json] = [
        {"role": "system", "text": "You are helpful."},
        {"role": "user", "text": "hi"},
        {"role": "agent", "text": "angry customer", "private": True},
        {"role": "assistant", "text": "hello"},
        {"role": "note", "text": "call back"},
    ]
    as_rows: list[Json] = [{"conversation_id": "rows", **turn} for turn in turns]
    found, dialogues = records(
        lines({"conversation_id": "a", "messages": turns}, {"messages": turns, "external_id": "b"}, *as_rows)
    )

    chat, conversation, rows = found
    assert isinstance(conversation, Conversation)
    assert [turn["text"] for turn in json.loads(conversation.body)["messages"]] == ["hi", "hello"]
    for each in (chat, rows):
        assert [(turn["message_id"], turn["message_content"]) for turn in messages_of(each)] == [
            ("2", "hi"),
            ("4", "hello"),
        ]
    assert dialogues.reader.left_out == {"system turn": 3, "internal note": 6}


@pytest.mark.parametrize(
    ("columns", "are"),
    [
        ("conversation_id,role,text", True),
        ("chat_id,inbound,message_content,when", True),
        ("conversation_id,text", False),
        ("role,text", False),
        ("conversation_id,role,when", False),
    ],
)
def test_a_table_of_dialogues_is_told_by_its_columns(columns: str, are: bool) -> None:
    assert are_in(columns.split(","), Reader()) is are


def test_a_long_chat_goes_in_posts_that_the_service_takes() -> None:
    small, large = [b"x"] * 1_001, [b"x" * (MAX_POST // 2)] * 3

    assert [len(post) for post in posts(small)] == [MAX_MESSAGES, MAX_MESSAGES, 1]
    assert [len(post) for post in posts(large)] == [1, 1, 1]
    assert [message for post in posts(small) for message in post] == small


# --- sent to the service ------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


async def ingested(program: Program, service: Service, file: Path, *options: str) -> Ended:
    """The program's end; the file's contents are in the service then."""
    run = await asyncio.to_thread(program.run, "--file", file, "--api-url", service.url, *options)
    assert run.err == ""
    return run


async def turns(service: Service, id_: str) -> list[tuple[str, str]]:
    """Role and text of each message, in order, page by page."""
    found: list[Json] = []
    pages = page = 1
    while page <= pages:
        read = await service.get(f"/chats/{id_}", page=page, limit=100)
        found, pages, page = found + read["messages"], read["pages"], page + 1
    assert [each["position"] for each in found] == list(range(1, len(found) + 1))
    return [(each["user_type"], each["message_content"]) for each in found]


def said(sent: Json) -> list[tuple[str, str]]:
    return [(turn["role"], turn["text"]) for turn in sent["messages"]]


def summary_calls(grok: Grok) -> int:
    return sum(call.kind == "summary" for call in grok.calls)


async def test_dialogues_are_read_back_turn_by_turn_and_summarised_once(
    database_url: URL, grok: Grok, program: Program
) -> None:
    lamp, bill = dialogue("lamp", LAMP, extractive_summary="A lamp."), dialogue("bill", BILL)
    file = program.file(lines(lamp, bill), "dialogs.jsonl")
    async with running(database_url, grok) as service:
        first = await ingested(program, service, file, "--summarize")
        read = [await turns(service, each["conversation_id"]) for each in (lamp, bill)]
        again = await ingested(program, service, file, "--summarize")
        total = (await service.get("/chats"))["total"]

    assert (first.counts, again.counts) == ([2, 2, 0, 0, 0, 0], [2, 0, 2, 0, 0, 0])
    assert read == [said(lamp), said(bill)]
    assert (total, summary_calls(grok)) == (2, 2)
    for run in (first, again):
        assert "2 completed" in run.out
        assert "Messages 1 to 3." in run.out
        assert "extractive_summary: 1 times" in run.out


async def test_a_table_that_has_grown_adds_only_what_is_new(
    database_url: URL, grok: Grok, program: Program
) -> None:
    header = "conversation_id,role,text,agent_mood\n"
    rows = f"lamp,customer,{LAMP[0]},\nbill,customer,{BILL[0]},\nlamp,agent,{LAMP[1]},calm\n"
    async with running(database_url, grok) as service:
        first = await ingested(program, service, program.file(header + rows, "chats.csv"))
        grown = program.file(f'{header}{rows}lamp,customer,"{LAMP[2]}",\n', "chats.csv")
        again = await ingested(program, service, grown)
        read = [await turns(service, id_) for id_ in ("lamp", "bill")]

    assert (first.counts, again.counts) == ([2, 2, 0, 0, 0, 0], [2, 1, 1, 0, 0, 0])
    assert read == [said(dialogue("lamp", LAMP)), said(dialogue("bill", BILL[:1]))]
    assert "agent_mood: 1 times" in first.out


async def test_a_long_dialogue_arrives_in_order_and_one_that_clashes_is_told_of(
    database_url: URL, grok: Grok, program: Program
) -> None:
    long = dialogue("long", [f"Turn number {at}" for at in range(1_101)])
    changed = dialogue("bill", [BILL[0], "Nothing has been refunded."])
    named = dialogue("no such name!", BILL)
    async with running(database_url, grok) as service:
        await ingested(program, service, program.file(lines(dialogue("bill", BILL)), "bill.jsonl"))
        file = program.file(lines(long, changed, named), "dialogs.jsonl")
        run = await ingested(program, service, file)
        read = [await turns(service, id_) for id_ in ("long", "bill")]

    assert run.counts == [2, 1, 0, 1, 1, 0]
    assert "line 2: message 2: known with another text, author, role or time" in run.out
    assert "line 3: message 1: conversation_id" in run.out
    assert read == [said(long), said(dialogue("bill", BILL))]


async def test_a_summary_that_failed_is_told_of_and_is_no_failure_of_the_program(
    database_url: URL, grok: Grok, program: Program
) -> None:
    grok.misbehave("without_field", text="outcome", marker="billed")
    file = program.file(lines(dialogue("lamp", LAMP), dialogue("bill", BILL)), "dialogs.jsonl")
    async with running(database_url, grok, max_retries=0) as service:
        run = await ingested(program, service, file, "--summarize")

    assert run.code == 0
    assert "1 completed" in run.out
    assert "1 failed: outcome is missing" in run.out


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_whoever_waits_for_chats_hears_that_they_have_to_be_quiet_first(
    database_url: URL, program: Program
) -> None:
    chats = program.file(lines(dialogue("lamp", LAMP)), "dialogs.jsonl")
    texts = program.file("date,text\n2026-11-03,My lamp arrived in two pieces\n", "texts.csv")
    async with running(database_url, chat_quiet_seconds=0) as service:
        waited = [await ingested(program, service, file, "--wait") for file in (chats, texts)]

    assert [run.out.count("CHAT_QUIET_SECONDS") for run in waited] == [1, 0]
    assert ["1 completed" in run.out for run in waited] == [True, True]


def test_a_service_that_knows_no_chats_is_told_of_in_one_line(program: Program) -> None:
    file = program.file(lines(dialogue("lamp", LAMP)), "dialogs.jsonl")
    with served(FakePlatform()) as server:
        run = program.run("--file", file, "--api-url", server.url)

    assert run.code == 1
    assert run.out.startswith("no time column; looked for timestamp")
    assert "/chats answers 404" in run.err


async def test_what_the_service_exported_is_a_duplicate_whatever_the_file_is_called(
    database_url: URL, program: Program
) -> None:
    texts = [LAMP[0], BILL[0], "=SUM(A1) is what your page shows instead of my bill"]
    rows = program.file("date,text\n" + "".join(f'2026-11-03,"{text}"\n' for text in texts), "texts.csv")
    window = {"start_time": "2026-11-01", "end_time": "2026-12-01"}
    async with running(database_url) as service:
        await ingested(program, service, rows, "--wait")
        runs = []
        for form, name in (("text/csv", "export.csv"), ("application/x-ndjson", "other.ndjson")):
            answer = await service.http.get("/api/v1/insights", params=window, headers={"accept": form})
            file = program.file(answer.text, name)
            runs.append(await ingested(program, service, file, "--wait"))
        runs.append(await ingested(program, service, program.file(rows.read_text(), "renamed.csv")))
        total = (await service.get("/api/v1/insights", **window))["metadata"]["total_count"]

    assert [(run.code, run.counts) for run in runs] == [(0, [3, 0, 3, 0, 0, 0])] * 3
    assert total == 3


@pytest.mark.skipif(not DIALOGS.exists(), reason=f"there is no {DIALOGS}")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_three_hundred_real_dialogues_are_read_back_searched_and_summarised_once(
    database_url: URL, grok: Grok, program: Program
) -> None:
    sent = [json.loads(line) for line in DIALOGS.read_text().splitlines()]
    async with running(database_url, grok, outbound_rps=100) as service:
        first = await ingested(program, service, DIALOGS, "--summarize")
        read = [await turns(service, each["conversation_id"]) for each in sent]
        busiest = grok.busiest_second()
        again = await ingested(program, service, DIALOGS, "--summarize")
        found = await service.get("/chats", keyword='"recording my steps"')

    assert (first.counts, again.counts) == ([300, 300, 0, 0, 0, 0], [300, 0, 300, 0, 0, 0])
    assert read == [said(each) for each in sent]
    assert "300 completed" in first.out
    assert "300 completed" in again.out
    assert (summary_calls(grok), grok.violations) == (300, [])
    assert grok.summarised.total() == sum(len(each["messages"]) for each in sent)
    assert busiest <= 102  # where this machine holds a request up on its way, one more arrives in a second
    assert sent[0]["conversation_id"] in [chat["conversation_id"] for chat in found["chats"]]
