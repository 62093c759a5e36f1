"""Webhooks of help desks: signed or not taken, told again or once, and never mixed with each other."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from tests.support.closed import refusals
from tests.support.helpdesk_webhooks import (
    BODIES,
    SECRET,
    SIGNERS,
    chatwoot,
    intercom,
    signed_by_chatwoot,
    zendesk,
)
from tests.support.service import Service, running

INTAKE = "/api/v1/intake"
SECRETS: dict[str, Any] = {f"{name}_secret": SECRET for name in SIGNERS}
CHATS = {"chatwoot": "chatwoot:42", "zendesk": "zendesk:35436", "intercom": "intercom:147"}


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    async with running(database_url, **SECRETS, chat_quiet_seconds=0) as made:
        yield made


async def take(service: Service, source: str, body: Any, **how: Any) -> dict[str, Any]:
    answer = await service.http.post(f"{INTAKE}/{source}", **SIGNERS[source](body, **how))
    assert answer.status_code == 200, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


async def said(service: Service, chat: str) -> list[tuple[str, str, str]]:
    found = (await service.get(f"/chats/{chat}"))["messages"]
    return [(each["user_id"], each["user_type"], each["message_content"]) for each in found]


async def test_each_becomes_a_chat_that_is_analysed_and_told_again_it_is_a_duplicate(
    service: Service,
) -> None:
    for source, body in BODIES.items():
        first = await take(service, source, body())
        again = await take(service, source, body())

        assert first["conversation_ids"] == again["conversation_ids"] == [CHATS[source]]
        assert (first["duplicates"], again["stored"]) == (0, 0)
        assert first["stored"] == again["duplicates"] > 0
        assert (await service.ended(CHATS[source]))["status"] == "completed"

    assert await said(service, "chatwoot:42") == [("chatwoot:customer:7", "customer", "Where is my parcel?")]
    assert await said(service, "zendesk:35436") == [
        ("zendesk:8447388090495", "customer", "Where is my parcel?")
    ]
    assert await said(service, "intercom:147") == [
        ("intercom:usr_1", "customer", "Hello!"),
        ("intercom:usr_1", "customer", "Where is my parcel?"),
    ]


async def test_notes_and_notices_are_left_out_and_counted(service: Service) -> None:
    note = await take(service, "chatwoot", chatwoot(message_type="outgoing", private=True, id=6))
    notice = await take(service, "chatwoot", chatwoot(message_type="activity", id=7))
    private = await take(service, "zendesk", zendesk(is_public=False))
    part = await take(service, "intercom", intercom(part_type="note", id="9002"))
    other = await take(service, "chatwoot", {"event": "contact_updated", "id": 1})

    assert note["left_out"] == private["left_out"] == part["left_out"] == {"internal note": 1}
    assert notice["left_out"] == {"system notice": 1}
    assert (note["stored"], notice["stored"], private["stored"], part["stored"], other["stored"]) == (
        0,
        0,
        0,
        1,
        0,
    )


async def test_an_agent_and_a_customer_of_one_number_are_two_people(service: Service) -> None:
    await take(service, "chatwoot", chatwoot())
    await take(service, "chatwoot", chatwoot("On its way.", message_type="outgoing", id=6))

    assert [who for who, _, _ in await said(service, "chatwoot:42")] == [
        "chatwoot:customer:7",
        "chatwoot:agent:7",
    ]


async def test_an_edited_message_stays_as_it_was_and_its_neighbours_are_stored(service: Service) -> None:
    await take(service, "chatwoot", chatwoot())
    edited = await take(service, "chatwoot", chatwoot("Where are my parcels?"))

    assert (edited["stored"], edited["duplicates"], edited["changed"]) == (0, 0, 1)
    await take(service, "intercom", intercom())
    body = intercom("And now?", id="9002")
    body["data"]["item"]["source"]["body"] = "<p>Hallo!</p>"
    mixed = await take(service, "intercom", body)
    assert (mixed["stored"], mixed["changed"]) == (1, 1)


async def test_what_a_file_has_brought_already_is_not_stored_twice(service: Service) -> None:
    """As `ingest_data.py --source zendesk` sends it."""
    imported = {"conversation_id": "zendesk:35436", "message_id": "77", "user_id": "zendesk:8447388090495"}
    said_there = {
        "user_type": "customer",
        "message_content": "Where is my parcel?",
        "timestamp": "2026-11-20T10:00:00Z",
    }
    assert (await service.http.post("/chats", json=imported | said_there)).status_code == 201

    again = await take(service, "zendesk", zendesk())

    assert (again["stored"], again["duplicates"], again["changed"]) == (0, 1, 0)


async def test_a_text_too_long_for_a_message_becomes_several_and_odd_characters_are_replaced(
    service: Service,
) -> None:
    await take(service, "chatwoot", chatwoot("a" * 20_000 + "b" * 5))
    await take(service, "chatwoot", json.dumps(chatwoot("odd \0 \ud800 one", id=6)).encode())

    texts = [text for _, _, text in await said(service, "chatwoot:42")]
    assert texts == ["a" * 20_000, "b" * 5, "odd \ufffd ? one"]


@pytest.mark.parametrize("source", SIGNERS)
async def test_a_bad_signature_is_a_401_whatever_the_body_is(service: Service, source: str) -> None:
    for body in (BODIES[source](), b"no json", b"[" * 100_000):
        wrong = SIGNERS[source](body, "another secret")
        answer = await service.http.post(f"{INTAKE}/{source}", **wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert await refusals(service.database) == ["bad signature"] * 3
    # A good one is taken all the same, however many bad ones came.
    for _ in range(12):
        await service.http.post(f"{INTAKE}/{source}", **SIGNERS[source](b"{}", "another secret"))
    assert (await service.http.post(f"{INTAKE}/{source}", **SIGNERS[source](b"{}", "x"))).status_code == 429
    assert (await take(service, source, BODIES[source]()))["stored"] > 0


async def test_an_old_chatwoot_signature_is_a_401(service: Service) -> None:
    answer = await service.http.post(f"{INTAKE}/chatwoot", **signed_by_chatwoot(chatwoot(), age=301))

    assert answer.status_code == 401
    assert await refusals(service.database) == ["old signature"]


async def test_without_a_signature_it_is_answered_before_the_body_has_come(service: Service) -> None:
    host, port = service.url.removeprefix("http://").split(":")

    def asked() -> bytes:
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            head = f"POST {INTAKE}/intercom HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head.encode())
            return connection.recv(100)

    assert (await asyncio.to_thread(asked)).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"[" * 100_000, b'{"message_type": 9, "id": 1}', b'{"event": 1}']
)
async def test_what_is_signed_and_cannot_be_read_is_a_400(service: Service, body: bytes) -> None:
    answer = await service.http.post(f"{INTAKE}/chatwoot", **signed_by_chatwoot(body))

    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["error"] == "invalid_schema"
    assert (await service.get("/chats"))["total"] == 0


async def test_a_thousand_in_a_burst_are_all_stored(database_url: URL) -> None:
    """Above the limit on requests: a help desk would not send again what was refused."""
    async with running(database_url, **SECRETS, inbound_rps=5) as service:
        bodies = [chatwoot(f"Message {at}", id=at, conversation={"id": at % 10}) for at in range(1_000)]
        gate = asyncio.Semaphore(50)

        async def is_taken(body: dict[str, Any]) -> bool:
            answer = await service.http.post(f"{INTAKE}/chatwoot", **SIGNERS["chatwoot"](body))
            # A database that is starved by what else runs on the machine is a 503, and is told again.
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        async def told(body: dict[str, Any]) -> None:
            async with gate:
                await eventually(partial(is_taken, body))

        await asyncio.gather(*map(told, bodies))
        [row] = await service.rows("SELECT count(*) AS n FROM messages")
        assert row.n == 1_000


async def test_a_source_without_a_secret_or_a_name_is_not_found(database_url: URL) -> None:
    async with running(database_url) as service:
        for source, words in (
            ("chatwoot", "CHATWOOT_SECRET is not set"),
            ("freshdesk", "A source is one of"),
        ):
            answer = await service.http.post(f"{INTAKE}/{source}", json={})
            assert answer.status_code == 404
            assert words in answer.json()["details"]
