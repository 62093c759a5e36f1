"""No personal data gets around REDACTION: one test a door, in both modes, on both databases. All values are made up."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from models import metadata
from tests.fake_grok.server import KEY
from tests.support import helpdesk_webhooks
from tests.support.chat_sockets import joined
from tests.support.service import Grok, Service, faked, running
from tests.support.summary_service import a_chat, grow, summary_of

COMPLAINT = "My parcel is two weeks late, I am angry and nobody answers."
DATA = (
    "Write to ann.other@example.com or call (212) 555-0147, card 4111 1111 1111 1111,"
    " IBAN DE89 3704 0044 0532 0130 00, from 192.0.2.77, customer KD-4711."
)
SHOWN = "Write to [email] or call [phone], card [card], IBAN [iban], from [ip], customer [custom]."
MARKS = ("ann.other", "555-0147", "4111 1111", "3704 0044", "192.0.2.77", "KD-4711")
"""What is left of the values, wherever they have got to."""
ALL_ONCE = dict.fromkeys(("custom", "email", "iban", "card", "ip", "phone"), 1)
SAID, SAID_SHOWN = f"{COMPLAINT} {DATA}", f"{COMPLAINT} {SHOWN}"
Door = Callable[[Service], Awaitable[str]]


def redacting(
    mode: str, database: URL, grok: Grok, folder: Path, **given: Any
) -> AbstractAsyncContextManager[Service]:
    patterns = folder / "patterns.txt"
    patterns.write_text("# customers\nKD-\\d{4}\n")
    given |= {"redaction": mode, "redaction_patterns": patterns, "intercom_secret": helpdesk_webhooks.SECRET}
    return running(database, grok, chat_quiet_seconds=0, **given)


async def everything(service: Service) -> str:
    """Whatever is stored, in any table, and on SQLite in any page."""
    tables = [await service.rows(f"SELECT * FROM {name}") for name in metadata.tables]  # noqa: S608
    stored = str([tuple(row) for rows in tables for row in rows])
    if service.database.drivername.startswith("sqlite"):
        file = Path(str(service.database.database))
        pages = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
        stored += pages.decode("latin-1")
    return stored


def sent(grok: Grok) -> str:
    """All that was sent to a model, the whole bodies."""
    return "\n".join(request.body.decode() for request in grok.recent)


def left_in(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


# --- the doors ----------------------------------------------------------------------------------------------


async def by_post(service: Service) -> str:
    return await service.post(SAID)


async def by_bulk(service: Service) -> str:
    response = await service.http.post(f"{POSTS}/bulk", json=[{"text": SAID}])
    return str(response.json()["conversation_ids"][0])


async def by_dialogue(service: Service) -> str:
    response = await service.http.post(POSTS, json={"messages": [{"text": COMPLAINT}, {"text": DATA}]})
    return str(response.json()["conversation_id"])


async def by_chat(service: Service) -> str:
    message = {"user_id": "u1", "user_type": "customer", "message_content": SAID}
    response = await service.http.post("/chats", json=message)
    return str(response.json()["conversation_ids"][0])


async def by_chats(service: Service) -> str:
    message = {"conversation_id": "c1", "user_id": "u1", "user_type": "customer"}
    texts = [{**message, "message_content": text} for text in (COMPLAINT, DATA)]
    await service.http.post("/chats", json=texts)
    return "c1"


async def by_socket(service: Service) -> str:
    async with joined(service.url, "c1") as client:
        await client.say(SAID)
        await client.next("ack")
        [heard] = await client.texts(1)
    assert heard == (await service.get("/chats/c1"))["messages"][0]["message_content"]
    return "c1"


async def by_helpdesk(service: Service) -> str:
    body = helpdesk_webhooks.intercom(SAID)
    response = await service.http.post(
        "/api/v1/intake/intercom", **helpdesk_webhooks.signed_by_intercom(body)
    )
    return str(response.json()["conversation_ids"][0])


DOORS = [by_post, by_bulk, by_dialogue, by_chat, by_chats, by_socket, by_helpdesk]


@pytest.mark.parametrize("door", DOORS)
async def test_nothing_is_stored_nor_sent_with_personal_data(
    database_url: URL, grok: Grok, tmp_path: Path, door: Door
) -> None:
    async with redacting("stored", database_url, grok, tmp_path) as service:
        id_ = await door(service)
        view = await service.ended(id_)
        stored = await everything(service)
        [insight] = (await service.get("/api/v1/insights/recent"))["insights"]

    assert left_in(stored) == left_in(sent(grok)) == []
    assert SHOWN in json.dumps(view)
    assert SHOWN in sent(grok)
    assert (view["status"], view["redactions"]) == ("completed", ALL_ONCE)
    assert insight["redactions"] == ALL_ONCE


@pytest.mark.parametrize("door", DOORS)
async def test_nothing_is_sent_with_personal_data_and_what_was_sent_is_stored(
    database_url: URL, grok: Grok, tmp_path: Path, door: Door
) -> None:
    async with redacting("outgoing", database_url, grok, tmp_path) as service:
        id_ = await door(service)
        view = await service.ended(id_)

    assert left_in(sent(grok)) == []
    assert SHOWN in sent(grok)
    assert DATA in json.dumps(view)
    assert (view["status"], view["redactions"]) == ("completed", ALL_ONCE)


async def test_authors_metadata_and_raw_data_are_stored_without_personal_data(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    extras = {"raw_data": {"note": [SAID], "ann.other@example.com": 1}, "metadata": {"contact": DATA}}
    async with redacting("stored", database_url, grok, tmp_path) as service:
        text = await service.post(COMPLAINT, author="ann.other@example.com", **extras)
        turns = [
            {"text": COMPLAINT, "author": "ann.other@example.com"},
            {"text": "Sorry", "author": "4155550147"},
        ]
        dialogue = await service.http.post(POSTS, json={"messages": turns})
        await service.http.post(
            "/chats",
            json={"user_id": "ann.other@example.com", "user_type": "customer", "message_content": COMPLAINT},
        )
        views = [await service.ended(id_) for id_ in (text, dialogue.json()["conversation_id"])]
        stored, samples = await everything(service), await service.metrics()

    assert left_in(stored) == []
    assert [view["author"] for view in views] == ["[email]", "[email]"]
    assert [turn["author"] for turn in views[1]["messages"]] == ["[email]", "4155550147"]
    assert views[0]["raw_data"] == {"note": [SAID_SHOWN], "[email]": 1}
    assert views[0]["metadata"] == {"contact": SHOWN}
    assert views[0]["redactions"] == {"email": 4, "phone": 2, "card": 2, "iban": 2, "ip": 2, "custom": 2}
    assert samples['redactions_total{kind="email"}'] == 6


async def test_what_was_found_is_counted_once_for_what_is_stored_also_where_it_is_looked_at_twice(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    """In a full queue a post with an id is looked up before it is stored, and again as it comes."""
    mail = {"text": "Write to ann.other@example.com, please, nobody answers.", "external_id": "t1"}
    said = {"user_id": "u1", "user_type": "customer", "conversation_id": "c1", "message_id": "m1"}
    message = {**said, "message_content": "Call (212) 555-0147 or (212) 555-0148, please."}
    async with redacting("stored", database_url, grok, tmp_path, max_queue_depth=2) as service:
        await service.http.post("/api/v1/analysis/pause")
        for _ in range(2):
            await service.taken(POSTS, mail)
            await service.taken(f"{POSTS}/bulk", [mail])
            await service.taken("/chats", message)
        full = await service.http.post(POSTS, json={**mail, "external_id": "t2"})
        samples = await service.metrics()

    assert full.status_code == 503
    assert samples['redactions_total{kind="email"}'] == 1
    assert samples['redactions_total{kind="phone"}'] == 2


# --- what models see ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["outgoing", "stored"])
async def test_gemini_sees_no_more_than_grok(
    database_url: URL, grok: Grok, tmp_path: Path, mode: str
) -> None:
    grok.misbehave("status", status=500)
    with faked() as gemini:
        second = {"gemini_api_key": KEY, "gemini_base_url": gemini.url, "error_threshold": 1}
        async with redacting(mode, database_url, grok, tmp_path, **second) as service:
            view = await service.ended(await service.post(SAID))
            await a_chat(service, "chat", [("customer", SAID)])
            await summary_of(service, "chat")

    assert view["insight"]["analyzer"] == "gemini"
    assert SHOWN in sent(gemini)
    assert left_in(sent(gemini) + sent(grok)) == []


@pytest.mark.parametrize("mode", ["outgoing", "stored"])
async def test_a_summary_and_the_merge_of_its_parts_show_nothing_and_quotes_are_those_of_what_was_shown(
    database_url: URL, grok: Grok, tmp_path: Path, mode: str
) -> None:
    filler = "and so on and so forth, as it was said before and will be said again " * 40
    said = [("customer", f"TODO {DATA}"), *[("support_agent", f"{at} {filler}") for at in range(90)]]
    async with redacting(mode, database_url, grok, tmp_path) as service:
        await a_chat(service, "long", said[:1])
        await grow(service, "long", said[1:])
        summary = await summary_of(service, "long")

    assert {"summary", "merge"} <= {call.kind for call in grok.calls}
    assert left_in(sent(grok)) == []
    [item] = summary["action_items"]
    assert "[email]" in item["quote"]
    assert item["verified"]


async def test_a_long_text_is_cut_after_it_is_redacted(database_url: URL, grok: Grok, tmp_path: Path) -> None:
    """The cut at 4,000 characters would go through the middle of the card, of which both halves would be sent."""
    text = f"{COMPLAINT} {'x ' * 1_967}4111 1111 1111 1111 {'y ' * 6_000}"
    assert 3_990 < text.index("4111") < 4_000
    async with redacting("outgoing", database_url, grok, tmp_path) as service:
        await service.ended(await service.post(text))

    assert "4111" not in sent(grok)


async def test_what_was_stored_before_is_redacted_before_it_is_sent(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    async with running(database_url, None, chat_quiet_seconds=0) as service:
        await a_chat(service, "chat", [("customer", SAID)])
        await service.ended("chat")
    async with redacting("stored", database_url, grok, tmp_path) as service:
        await summary_of(service, "chat")

    assert SHOWN in sent(grok)
    assert left_in(sent(grok)) == []


async def test_texts_that_differ_in_personal_data_only_are_asked_about_once(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    async with redacting("outgoing", database_url, grok, tmp_path) as service:
        first = await service.ended(await service.post(f"{COMPLAINT} Call 212-555-0147"))
        second = await service.ended(await service.post(f"{COMPLAINT} Call 212-555-0148"))

    assert (first["insight"]["cached"], second["insight"]["cached"]) == (False, True)


# --- posts that come again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["off", "outgoing", "stored"])
async def test_a_post_that_comes_again_is_known_also_if_it_came_before_redaction(
    database_url: URL, grok: Grok, tmp_path: Path, before: str
) -> None:
    post = {"text": SAID, "external_id": "x", "author": "ann.other@example.com"}
    message = {"user_id": "ann.other@example.com", "user_type": "customer", "message_content": SAID}
    chat = {**message, "conversation_id": "c1", "message_id": "m1"}
    async with redacting(before, database_url, grok, tmp_path) as service:
        for path, body in ((POSTS, post), ("/chats", chat)):
            assert (await service.http.post(path, json=body)).status_code in (201, 202)
    async with redacting("stored", database_url, grok, tmp_path) as service:
        again = await service.http.post(POSTS, json=post)
        other = await service.http.post(POSTS, json={**post, "text": f"{SAID} Hello?"})
        message_again = await service.http.post("/chats", json=chat)
        other_message = await service.http.post("/chats", json={**chat, "message_content": f"{SAID} Hello?"})

    assert (again.status_code, again.json()["enqueued"]) == (202, False)
    assert (message_again.status_code, message_again.json()["duplicates"]) == (201, 1)
    assert (other.status_code, other_message.status_code) == (409, 409)


@pytest.mark.parametrize("mode", ["outgoing", "stored"])
async def test_the_counts_of_a_growing_chat_add_up(
    database_url: URL, grok: Grok, tmp_path: Path, mode: str
) -> None:
    async with redacting(mode, database_url, grok, tmp_path) as service:
        await a_chat(service, "chat", [("customer", "Mail ann.other@example.com, please, she waits")])
        for text in ("Or bob.other@example.com", "Or 212-555-0147", "Thank you"):
            await grow(service, "chat", [("customer", text)])
        grown = await service.one("chat")
        untouched = await service.ended(await service.post(COMPLAINT))

    assert grown["redactions"] == {"email": 2, "phone": 1}
    assert untouched["redactions"] == {}


async def test_without_redaction_everything_is_as_it_was(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        view = await service.ended(await service.post(SAID, author="ann.other@example.com"))

    assert (view["text"], view["author"], view["redactions"]) == (SAID, "ann.other@example.com", {})
    assert DATA in sent(grok)
