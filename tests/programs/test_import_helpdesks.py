"""Zendesk, Intercom, Freshdesk and Chatwoot as files: APIs' answers, exports and webhook bodies, by the dry run."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from client.importers.agents import Agents
from client.importers.fields import Reader
from schemas import ChatMessage
from services.webhooks.helpdesks import mapped
from tests.support.helpdesk_bodies import (
    CONVERSATION,
    EPOCH,
    FRESHDESK,
    LIST,
    TICKET,
    USERS,
    added,
    comment,
    webhook,
)
from tests.support.importing import DryRun, Json, chats, lines, spoken


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


ZENDESK = {**TICKET, "users": USERS}
INTERCOM = {**CONVERSATION, "id": "215469532144"}
FILES: list[tuple[str, Json, str, int]] = [
    ("zendesk", ZENDESK, "left out: 2 attachments, 1 internal note, 1 media, 1 voice call", 3),
    (
        "intercom",
        INTERCOM,
        "left out: 1 system notice, 1 internal note, 1 media, 1 attachment, 1 deleted message",
        5,
    ),
    ("freshdesk", FRESHDESK, "left out: 1 internal note, 1 media", 3),
    ("chatwoot", LIST, "left out: 1 system notice, 1 internal note, 1 media, 1 deleted message", 3),
]
IDS = [name for name, *_ in FILES]


@pytest.mark.parametrize(("desk", "body", "left_out", "messages"), FILES, ids=IDS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_body_is_recognised_and_says_what_is_left_out(
    dry_run: DryRun, tmp_path: Path, desk: str, body: Json, left_out: str, messages: int, indent: int | None
) -> None:
    content = json.dumps(body, indent=indent)
    run = dry_run(content, "--source", "shop")
    (sent,) = chats(content, tmp_path, Reader(source="shop")).values()

    assert (run.code, run.err) == (0, "")
    assert f"This is read as {desk.capitalize()} " in run.out
    assert left_out in run.out
    assert len(sent) == messages
    assert sent[0]["conversation_id"].startswith("shop:")


@pytest.mark.parametrize(("desk", "body"), [(name, body) for name, body, *_ in FILES if name != "intercom"])
def test_small_ids_want_a_source(dry_run: DryRun, desk: str, body: Json) -> None:
    run = dry_run([body])

    assert run.code == 2
    assert "--source NAME goes before them" in run.err


def test_messages_of_one_conversation_come_together_from_many_lines(tmp_path: Path) -> None:
    hooks = [webhook(), webhook(id=94, content="A photo?", message_type="outgoing", private=False), webhook()]
    reader = Reader(source="shop")

    found = chats(lines(*hooks), tmp_path, reader)

    assert list(found) == ["shop:7"]
    assert spoken(found["shop:7"]) == [
        ("91", "shop:customer:5", "c", "My lamp flickers"),
        ("94", "shop:agent:5", "s", "A photo?"),
    ]
    assert reader.left_out == {"repeated message": 1}


def test_the_messages_of_a_conversation_are_in_order_however_the_file_is(tmp_path: Path) -> None:
    rows = [{**comment(id_, 11), "ticket_id": 1} for id_ in range(1, 13)]
    forth, back = (
        chats(lines({**TICKET, "comments": [], "users": USERS}, *some), tmp_path, Reader(source="shop"))
        for some in (rows, rows[::-1])
    )

    assert forth == back
    assert [each["message_id"] for each in forth["shop:1"]] == [str(id_) for id_ in range(1, 13)]


@pytest.mark.parametrize(
    "bodies",
    [
        [{"tickets": [TICKET], "users": USERS}],
        [{"users": USERS, "ticket": TICKET}],
        [{**TICKET, "comments": [], "users": USERS}, TICKET],
        [added(id="1", author={"id": "22", "is_staff": True}), added(), added(id="5")],
    ],
    ids=["tickets", "ticket", "earlier users", "events"],
)
def test_zendesk_is_read_in_each_of_its_shapes(tmp_path: Path, bodies: Sequence[Json]) -> None:
    found = chats(lines(*bodies), tmp_path, Reader(source="shop"))

    assert list(found) == ["shop:35436"]
    assert [each["message_id"] for each in found["shop:35436"]] == ["1", "2", "5"]


def test_a_zendesk_ticket_without_roles_is_rejected_until_an_agent_is_named(
    dry_run: DryRun, tmp_path: Path
) -> None:
    run = dry_run([TICKET], "--source", "shop")
    (sent,) = chats(lines(TICKET), tmp_path, Reader(source="shop", agents=Agents(["22"]))).values()

    assert run.code == 1
    assert "line 1: author_id is nobody's" in run.out
    assert "--agent ID names an agent" in run.out
    assert [each["user_type"] for each in sent] == ["support_agent", "customer", "support_agent"]


def test_one_message_that_cannot_be_read_rejects_its_conversation_and_no_other(tmp_path: Path) -> None:
    rows = [
        {**comment(1, 11), "ticket_id": 1},
        {**comment(2, 11), "ticket_id": 2},
        {**comment(3, 11, created_at="then"), "ticket_id": 1},
    ]
    found = chats(lines(*({**row, "users": USERS} for row in rows)), tmp_path, Reader(source="shop"))

    assert list(found) == ["line 3", "shop:2"]
    assert found["line 3"][0]["reason"].startswith("created_at is not a time")
    assert "none of the conversation's 2 turns is sent" in found["line 3"][0]["reason"]


def by_webhook(source: str, *bodies: Json) -> list[Json]:
    found = [each for body in bodies for each in mapped(source, json.dumps(body).encode()).messages]
    return [each.model_dump(mode="json", exclude_none=True) for each in found]


LONG = "x" * 20_001
TWO_WAYS: list[tuple[str, list[Json], list[Json]]] = [
    (
        "zendesk",
        [{**TICKET, "comments": [comment(2, 11), comment(8, 22, body=LONG)], "users": USERS}],
        [
            {**added(), "time": "2026-11-03T12:00:00.789Z"},
            added(id="8", body=LONG, author={"id": "22", "is_staff": True}),
        ],
    ),
    (
        "intercom",
        [INTERCOM],
        [{"type": "notification_event", "data": {"item": INTERCOM}}],
    ),
    (
        "chatwoot",
        [
            {
                "meta": {},
                "payload": [
                    {**each, "created_at": EPOCH} for each in LIST["payload"] if each["id"] in (91, 94)
                ],
            }
        ],
        [
            webhook(sender={"id": 1}, created_at="2026-11-03T12:00:00.123Z"),
            webhook(
                id=94, sender={"id": 0}, content="Please send a photo", message_type="outgoing", private=False
            ),
        ],
    ),
]


@pytest.mark.parametrize(("source", "file", "hooks"), TWO_WAYS, ids=[name for name, *_ in TWO_WAYS])
def test_a_file_and_webhooks_make_the_same_messages(
    tmp_path: Path, source: str, file: list[Json], hooks: list[Json]
) -> None:
    (sent,) = chats(lines(*file), tmp_path, Reader(source=source)).values()

    told = by_webhook(source, *hooks)
    as_stored = [ChatMessage.model_validate(each).model_dump(mode="json", exclude_none=True) for each in sent]
    as_stored.sort(key=lambda each: each["message_id"])
    assert len(told) > 1
    assert as_stored == sorted(told, key=lambda each: each["message_id"])


def test_of_two_versions_of_a_message_the_first_is_sent_as_it_was_in_a_shorter_file(tmp_path: Path) -> None:
    reader = Reader(source="shop")
    (sent,) = chats(lines(webhook(), webhook(content="edited"), webhook(id=92)), tmp_path, reader).values()

    assert [each["message_content"] for each in sent] == [webhook()["content"]] * 2
    assert reader.left_out == {"other version": 1}


def test_agents_that_are_named_go_over_what_a_body_says(tmp_path: Path) -> None:
    reader = Reader(source="shop", agents=Agents(["5"]))

    (sent,) = chats(lines(webhook()), tmp_path, reader).values()

    assert sent[0]["user_type"] == "support_agent"


def test_a_format_that_is_named_is_not_looked_for(dry_run: DryRun) -> None:
    assert (
        "This is read as Freshdesk tickets."
        in dry_run([FRESHDESK], "--format", "freshdesk", "--source", "a").out
    )
    wrong = dry_run([FRESHDESK], "--format", "chatwoot", "--source", "a")
    table = dry_run("text\nhi\n", "--format", "zendesk")

    assert (wrong.code, table.code) == (1, 2)
    assert "there is no message_type" in wrong.out
    assert "--format zendesk reads JSON, and this is a table" in table.err


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ("text\nhi\n", ("--agent", "Ada"), "in rows a column role does"),
        ("text\nhi\n", ("--begin", "2026-11-03"), "--begin says when a recording began"),
        (lines(FRESHDESK), ("--source", "a", "--text-column", "body"), "--text-column names a column"),
        (lines(FRESHDESK), ("--source", "a", "--time-column", "at"), "this is Freshdesk tickets"),
        ("text\nhi\n", ("--format", "xlsx"), "--format xlsx: this is no Excel workbook"),
        ("text\nhi\n", ("--format", "openai"), "--format openai reads JSON, and this is a table"),
    ],
)
def test_an_option_that_says_nothing_about_a_file_is_refused(
    dry_run: DryRun, content: str, options: Sequence[str], reason: str
) -> None:
    run = dry_run(content, *options)

    assert run.code == 2
    assert reason in run.err
