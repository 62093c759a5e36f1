"""Chats live, on both databases: what anybody says is heard by all, once and in order, and no error is silent."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from sqlalchemy.engine import URL
from websockets.exceptions import ConnectionClosed

from api.server import MAX_FRAME
from benchmarks.support import databases
from benchmarks.support.process import ROOT, Json
from benchmarks.support.waiting import eventually
from services.recent_messages import MOST
from tests.support.chat_sockets import Client, joined, post
from tests.support.service import Service, running, serving

LATE = "My parcel is three days late and nobody answers"
SECONDS = 15


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    async with running(database_url) as made:
        yield made


# --- what is said is heard ----------------------------------------------------------------------------------


async def test_what_one_says_is_acknowledged_and_heard_by_all(service: Service) -> None:
    async with joined(service.url, "c1") as speaker, joined(service.url, "c1") as other:
        await speaker.say(LATE, message_id="m1", ref=7)
        ack = await speaker.next("ack")
        on_draft = [await each.next("message") for each in (speaker, other)]
    [stored] = (await service.get("/chats/c1"))["messages"]

    assert ack == {"type": "ack", "ref": 7, "message_id": "m1", "position": 1, "duplicate": False}
    assert on_draft == [{"type": "message", "message": stored}] * 2
    assert (stored["message_content"], stored["message_id"]) == (LATE, "m1")


async def test_what_is_said_again_is_acknowledged_and_heard_once(service: Service) -> None:
    async with joined(service.url, "c1") as client:
        for _ in range(2):
            await client.say(LATE, message_id="m1")
        await client.say("And the box is torn", message_id="m2")
        acks = [await client.next("ack") for _ in range(3)]

        assert await client.texts(2) == [LATE, "And the box is torn"]
    assert [(ack["position"], ack["duplicate"]) for ack in acks] == [(1, False), (1, True), (2, False)]


async def test_what_is_posted_over_http_is_heard_too(service: Service) -> None:
    async with joined(service.url, "c1") as client:
        await post(service, "We are looking into it", "It left today")
        await post(service, "Elsewhere", chat="c2")

        assert await client.texts(2) == ["We are looking into it", "It left today"]
        assert client.frames == []


async def test_who_comes_back_hears_what_it_missed(service: Service) -> None:
    count = MOST + 50
    await post(service, *(f"number {at}" for at in range(1, count + 1)))
    async with joined(service.url, "c1", "?after=2") as back, joined(service.url, "c1") as new:
        missed = await back.texts(count - 2)
        await post(service, "the newest")

        assert missed == [f"number {at}" for at in range(3, count + 1)]
        assert await back.texts(1) == await new.texts(1) == ["the newest"]


async def test_after_a_restart_clients_go_on_where_they_were(database_url: URL) -> None:
    with serving(database_url, None) as server:
        async with joined(server.url, "c1") as client:
            await client.say("before")
            position = (await client.next("message"))["message"]["position"]
            await client.say("unheard")
            assert [(await client.next("ack"))["position"] for _ in "ab"] == [1, 2]
    async with running(database_url) as service:
        await post(service, "after")
        async with joined(service.url, "c1", f"?after={position}") as client:
            assert await client.texts(2) == ["unheard", "after"]


async def test_many_who_speak_at_once_are_all_heard_in_one_order(service: Service) -> None:
    async def talk(client: Client, name: str) -> None:
        for number in range(20):
            await client.say(f"{name}{number}", user_id=name, message_id=f"{name}{number}")
        for _ in range(20):
            await client.next("ack")

    async with joined(service.url, "c1") as a, joined(service.url, "c1") as b, joined(service.url, "c1") as c:
        await asyncio.gather(talk(a, "a"), talk(b, "b"))
        on_draft = [await each.texts(40) for each in (a, b, c)]

    assert on_draft[0] == on_draft[1] == on_draft[2]
    for name in "ab":
        assert [said for said in on_draft[0] if said[0] == name] == [
            f"{name}{number}" for number in range(20)
        ]


async def test_a_client_that_does_not_read_holds_up_nobody(service: Service) -> None:
    """The server may keep 64 KB for it, and the system some megabytes; nine megabytes are said."""
    long = "parcel " * 2_800
    async with joined(service.url, "c1") as deaf, joined(service.url, "c1") as other:
        deaf.socket.transport.pause_reading()
        for number in range(10):
            await post(service, *(f"{number} {at} {long}" for at in range(45)))
            assert len(await other.texts(45)) == 45
        deaf.socket.transport.resume_reading()

        assert [said.split()[:2] for said in await deaf.texts(450)] == [
            [str(number), str(at)] for number in range(10) for at in range(45)
        ]


async def test_who_comes_back_to_long_messages_hears_them_all(service: Service) -> None:
    """A megabyte of them is kept, and a listener takes them in slices; the rest is read."""
    said = [f"{number} {'🙂' * 19_900}" for number in range(40)]
    async with joined(service.url, "c1") as stayed:
        for first in range(0, 40, 10):
            await post(service, *said[first : first + 10])
        async with (
            joined(service.url, "c1", "?after=0") as back,
            joined(service.url, "c1", "?after=20") as late,
        ):
            assert await back.texts(40) == await stayed.texts(40) == said
            assert await late.texts(20) == said[20:]


async def test_frames_are_text_and_not_escapes(service: Service) -> None:
    async with joined(service.url, "c1") as client:
        await client.send({"type": "ping", "ref": "🙂 é"})
        assert await client.socket.recv(decode=False) == '{"type": "pong", "ref": "🙂 é"}'.encode()
        await client.socket.send('{"type": "ping", "\\ud800": 1}')
        assert (await client.next("error"))["error"] == "invalid_schema"


# --- what cannot be done is told ----------------------------------------------------------------------------

REFUSED = {
    "no JSON": ("{", "invalid_schema", "The body is not valid JSON"),
    "no object": ("[1]", "invalid_schema", "must be a JSON object"),
    "no type": ("{}", "invalid_schema", "Missing required field: type"),
    "another type": ('{"type": "shout"}', "invalid_schema", "type: must be one of ping, message"),
    "a field missing": ('{"type": "message", "user_id": "u"}', "invalid_schema", "message_content"),
    "an unknown field": ('{"type": "ping", "colour": 1}', "invalid_schema", "colour"),
    "a bad role": (
        '{"type": "message", "user_id": "u", "user_type": "boss", "message_content": "x"}',
        "invalid_schema",
        "user_type",
    ),
    "another chat": (
        '{"type":"message","user_id":"u","user_type":"customer","message_content":"x","conversation_id":"c2"}',
        "invalid_schema",
        "conversation_id",
    ),
    "NUL": (
        '{"type": "message", "user_id": "u", "user_type": "customer", "message_content": "a\\u0000"}',
        "invalid_schema",
        "U+0000",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_makes_no_sense_is_told_to_its_sender_and_the_socket_stays(
    service: Service, case: str
) -> None:
    written, code, why = REFUSED[case]
    async with joined(service.url, "c1") as client:
        await client.socket.send(written)
        told = await client.next("error")
        await client.say(LATE)

        assert await client.texts(1) == [LATE]
    assert told["error"] == code
    assert why in told["details"]


async def test_a_known_id_with_other_content_is_a_conflict(service: Service) -> None:
    async with joined(service.url, "c1") as client:
        await client.say("one", message_id="m")
        await client.say("other", message_id="m", ref="second")
        told = await client.next("error")

    assert (told["error"], told["ref"]) == ("conflict", "second")


async def test_what_is_over_the_rate_is_told_and_the_rest_is_heard(database_url: URL) -> None:
    """Frames are answered in order; one over the rate is not read, so its answer has no `ref`."""
    async with running(database_url, inbound_rps=5) as service, joined(service.url, "c1") as client:
        for number in range(20):
            await client.say(f"number {number}", ref=number)
        answers = [await client.wait_at_most("ack", "error") for _ in range(20)]
        acks = [frame["ref"] for frame in answers if frame["type"] == "ack"]
        errors = [frame for frame in answers if frame["type"] == "error"]
        on_draft = await client.texts(len(acks))

    assert acks == [number for number, frame in enumerate(answers) if frame["type"] == "ack"]
    assert acks[:3] == [0, 1, 2]
    assert errors
    assert errors == [
        {"type": "error", "ref": None, "error": "rate_limit_exceeded", "retry_after": 1} for _ in errors
    ]
    assert on_draft == [f"number {number}" for number in acks]


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=1&after=1", "?before=1", "?after=4"])
async def test_a_place_that_is_none_is_refused(service: Service, query: str) -> None:
    await post(service, "one", "two", "three")
    async with joined(service.url, "c1", query) as client:
        told = await client.next("error")

        assert await client.closed() == (1008, "invalid_query")
    assert told["details"].partition(":")[0] in ("after", "Unknown parameter")


async def test_an_id_that_no_chat_can_have_is_refused(service: Service) -> None:
    async with joined(service.url, "no%20chat", "?after=0") as client:
        told = await client.next("error")

        assert await client.closed() == (1008, "not_found")
    assert told["error"] == "not_found"


async def test_who_listens_to_a_chat_that_is_deleted_is_told(service: Service) -> None:
    await post(service, LATE)
    async with joined(service.url, "c1") as client:
        response = await service.http.delete("/chats/c1")

        assert response.status_code == 204
        assert await client.closed() == (4404, "the chat was deleted")


async def test_a_socket_that_ends_in_the_middle_of_something_is_no_error(service: Service) -> None:
    """The chat is deleted while somebody speaks in it, and a client hangs up before it is told what was wrong."""
    for _ in range(20):
        async with joined(service.url, "c1") as client:
            for number in range(20):
                await client.say(f"number {number}")
            await client.next("ack")
            await service.http.delete("/chats/c1")
            assert (await client.closed())[0] == 4404
        async with joined(service.url, "c1", "?after=x") as client:
            client.socket.transport.abort()
    await service.get("/health")

    assert [line for line in service.logged.events() if line["level"] == "error"] == []


async def test_frames_of_bytes_and_frames_that_are_too_long_end_the_socket(service: Service) -> None:
    async with joined(service.url, "c1") as binary, joined(service.url, "c1") as long:
        await binary.socket.send(b"{}")
        with suppress(ConnectionClosed):
            await long.socket.send("x" * (MAX_FRAME + 1))

        assert await binary.closed() == (1003, "frames are JSON texts")
        assert (await long.closed())[0] == 1009
    async with joined(service.url, "c1") as longest:
        text = json.dumps({"user_id": "u", "message_content": "\\" * 20_000})
        await longest.say(json.loads(text)["message_content"])
        assert (await longest.next("ack"))["position"] == 1


async def test_at_the_end_of_the_service_clients_are_told_to_come_again(database_url: URL) -> None:
    with serving(database_url, None) as server:
        async with joined(server.url, "c1") as client:
            await asyncio.to_thread(server.stop)

            assert (await client.closed())[0] == 1012


@pytest.mark.parametrize("database_url", [databases.POSTGRESQL], indirect=True)
async def test_what_another_process_stored_is_heard(database_url: URL) -> None:
    async with running(database_url) as one, running(database_url) as other, joined(one.url, "c1") as client:
        await post(other, "said to the other process")

        assert await client.texts(1) == ["said to the other process"]


@pytest.mark.parametrize("database_url", [databases.POSTGRESQL], indirect=True)
@pytest.mark.parametrize("path", ["/chats/c1", "/api/v1/conversations/c1"])
async def test_what_another_process_deleted_is_told_and_what_begins_anew_is_heard(
    database_url: URL, path: str
) -> None:
    async with running(database_url) as one, running(database_url) as other:
        await post(other, LATE, "Two")
        async with joined(one.url, "c1") as client, joined(one.url, "c1") as second:
            assert (await other.http.delete(path)).status_code == 204
            await post(other, "It begins anew", "and goes on", "and on")

            assert await client.closed() == await second.closed() == (4404, "the chat was deleted")
        async with joined(one.url, "c1", "?after=0") as client:
            assert await client.texts(3) == ["It begins anew", "and goes on", "and on"]


async def test_nobody_is_left_in_a_chat_that_all_have_left(service: Service) -> None:
    async with joined(service.url, "c1"):
        pass

    async def nobody() -> bool:
        async with joined(service.url, "c1") as client:
            return client.frames == []

    assert await eventually(nobody)


async def test_the_manuals_client_hears_everything_through_a_restart(
    database_url: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "API.md").read_text(), re.DOTALL)
    [example] = [each for each in examples if "websockets" in each]
    on_draft: list[str] = []

    async def has_heard(*expected: str) -> None:
        def all_of_it() -> bool:
            on_draft.extend(line for line in capsys.readouterr().out.splitlines() if line.startswith("u2: "))
            return on_draft == [f"u2: {each}" for each in expected]

        await eventually(all_of_it)

    async with running(database_url) as service:
        names: Json = {"__name__": "example"}
        exec(example, names)  # noqa: S102  it is our own manual
        names["URL"] = f"{service.url.replace('http', 'ws', 1)}/ws/chats/c1"
        port = int(service.url.rpartition(":")[2])
        listening = asyncio.create_task(names["listen"]())
        await post(service, "one", "two")
        await has_heard("one", "two")
    async with running(database_url, port=port) as service:
        await post(service, "three")
        await has_heard("one", "two", "three")
        listening.cancel()
