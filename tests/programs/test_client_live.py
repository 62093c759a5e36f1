"""The Python client's socket, and a seat of the dashboard that keeps one, against a real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support import databases
from benchmarks.support.process import free_port
from benchmarks.support.serving import Served
from benchmarks.support.waiting import eventually
from client import Client
from client.answers.live import AckFrame, MessageFrame
from client.errors import Denied, Unreachable
from client.live import joined
from dashboard.credentials import Credential
from dashboard.seat import Heard, Seat
from tests.support.access import SECRET, make_keys
from tests.support.service import serving


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("live")
    return {"folder": str(folder), **asyncio.run(make_keys(databases.sqlite(folder)))}


@pytest.fixture(scope="module")
def service(keys: dict[str, str]) -> Iterator[Served]:
    database = databases.sqlite(Path(keys["folder"]))
    with serving(database, None, auth_required=True, auth_secret=SECRET, chat_quiet_seconds=0) as server:
        yield server


def said(heard: Heard) -> list[str]:
    return [each.message_content for each in heard.messages]


def test_what_is_said_is_acknowledged_and_heard(service: Served, keys: dict[str, str]) -> None:
    with joined(service.url, "two-words", key=keys["agent"], after=0) as socket:
        socket.say("m1", "agent", "support_agent", "How can I help?")
        heard = [frame for _, frame in zip(range(2), socket, strict=False)]

    (ack,) = [each for each in heard if isinstance(each, AckFrame)]
    (message,) = [each for each in heard if isinstance(each, MessageFrame)]
    assert (ack.ref, ack.position, ack.duplicate) == ("m1", 1, False)
    assert (message.message.message_content, message.message.user_id) == ("How can I help?", "agent")


@pytest.mark.parametrize("name", ["revoked", None])
def test_a_socket_without_a_good_key_is_denied(
    service: Served, keys: dict[str, str], name: str | None
) -> None:
    with pytest.raises(Denied), joined(service.url, "c", key=keys[name] if name else None):
        pass


def test_no_service_is_unreachable() -> None:
    with pytest.raises(Unreachable), joined(f"http://127.0.0.1:{free_port()}", "c"):
        pass


async def test_a_seat_hears_says_and_outlives_the_service(service: Served, keys: dict[str, str]) -> None:
    chat = "outlived"
    seat = Seat(Credential(service.url, key=keys["agent"]), chat, 0)
    try:
        await eventually(lambda: seat.look().state == "here")
        service.stop()
        await eventually(lambda: seat.look().state == "away")
        seat.say("Said while nobody was there", author="agent", role="support_agent")
        assert [each.text for each in seat.look().unsent] == ["Said while nobody was there"]
        service.start()
        await eventually(lambda: said(seat.look()) == ["Said while nobody was there"])
        await eventually(lambda: not seat.look().unsent)
        with Client(service.url, key=keys["agent"]) as client:
            assert client.chat(chat).message_count == 1
            client.post_messages(
                {
                    "conversation_id": chat,
                    "user_id": "ann",
                    "user_type": "customer",
                    "message_content": "Thank you",
                }
            )
        await eventually(lambda: said(seat.look())[1:] == ["Thank you"])
    finally:
        seat.close()
    await eventually(lambda: not seat.is_taken)


async def test_a_deleted_chat_is_noticed_and_may_begin_anew(service: Served, keys: dict[str, str]) -> None:
    chat = "deleted"
    seat = Seat(Credential(service.url, key=keys["admin"]), chat, 0)
    try:
        await eventually(lambda: seat.look().state == "here")
        seat.say("One", author="a", role="customer")
        await eventually(lambda: said(seat.look()) == ["One"])
        with Client(service.url, key=keys["admin"]) as client:
            client.delete(chat)
        await eventually(lambda: seat.look().state == "deleted")
        assert not seat.look().messages
        seat.say("Two", author="a", role="customer")
        await eventually(lambda: said(seat.look()) == ["Two"])
        assert seat.look().state == "here"
    finally:
        seat.close()


async def test_what_a_role_may_not_say_is_kept_and_told(service: Served, keys: dict[str, str]) -> None:
    seat = Seat(Credential(service.url, key=keys["viewer"]), "read-only", 0)
    try:
        await eventually(lambda: seat.look().state == "here")
        seat.say("I may not", author="v", role="customer")
        await eventually(lambda: bool(seat.look().unsent[0].refused))
    finally:
        seat.close()


async def test_a_seat_without_a_permission_says_so(service: Served, keys: dict[str, str]) -> None:
    seat = Seat(Credential(service.url, key=keys["revoked"]), "c", 0)
    try:
        await eventually(lambda: seat.look().state == "denied")
    finally:
        seat.close()
    await eventually(lambda: not seat.is_taken)
