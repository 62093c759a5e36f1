"""One call for a summary against the fake Grok, and the fake's own view of such calls."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.support.serving import Served
from domain.analysis import BatchFault, Invalid, ProviderFault
from domain.summaries import Material, Merge, Message, Part, Stretch, Summary
from domain.text import storable
from domain.topics import BUILT_IN
from grok_client import GrokClient
from llm.summary_answers import draft_text
from llm.summary_prompts import request_body
from tests.fake_grok.faults import SUMMARY_FAULTS
from tests.fake_grok.server import KEY, FakeGrok
from tests.fake_grok.summaries import BYTES_PER_CALL
from tests.support.summary_data import LATE, a_part, a_stretch

CHAT = Stretch([Message(at, role, text) for at, (role, text) in enumerate(LATE, 1)])


@pytest.fixture
async def client(server: Served) -> AsyncIterator[GrokClient]:
    url, key = f"{server.url}/v1", SecretStr(KEY)
    async with GrokClient(base_url=url, api_key=key, model="grok-4.3", topics=BUILT_IN) as opened:
        yield opened


async def at_once() -> None:
    """A pacer without a pace."""


async def part_of(client: GrokClient, material: Material) -> Part:
    came = await client.summarise(material, at_once)
    assert isinstance(came.summary, Summary), came.summary
    return Part(material.first, material.last, came.summary, "grok", came.model, came.raw)


async def test_a_chat_is_summarised_with_the_envelope_of_its_call(client: GrokClient, fake: FakeGrok) -> None:
    came = await client.summarise(CHAT, at_once)

    assert isinstance(came.summary, Summary)
    assert came.summary.summary == "Messages 1 to 5."
    assert [item.positions for item in came.summary.items] == [(2,), (4,), (1,), (3,)]
    assert json.loads(came.raw)["summary"] == "Messages 1 to 5."
    assert (came.model, came.status, came.request_id) == ("grok-4.3", 200, "call-1")
    assert came.usage.cost_ticks == fake.billed_ticks > 0
    assert [(call.kind, len(call.texts)) for call in fake.calls] == [("summary", 5)]
    assert fake.violations == []


async def test_parts_are_merged_and_keep_their_positions(client: GrokClient, fake: FakeGrok) -> None:
    first = await part_of(client, CHAT)
    later = Stretch([Message(5 + at, role, text) for at, (role, text) in enumerate(LATE, 1)])
    second = await part_of(client, later)
    merged = await part_of(client, Merge([first, second]))

    assert merged.summary.summary == "Messages 1 to 10, from 2 parts."
    assert [item.positions for item in merged.summary.items] == [
        *((2,), (7,)),
        *((4,), (9,)),
        *((1,), (3,), (6,), (8,)),
    ]
    assert fake.merged == [[(1, 5), (6, 10)]]
    assert set(fake.summarised.values()) == {2}
    assert fake.violations == []


async def test_a_merge_may_refer_only_to_what_its_parts_refer_to(client: GrokClient, fake: FakeGrok) -> None:
    fake.misbehave(
        "summary_fields", fields={"decisions": [{"text": "a", "quote": "b", "positions": [3, 91]}]}
    )
    merged = await part_of(client, Merge([a_part(1, 90), a_part(91, 95)]))

    assert merged.summary.decisions[0].positions == (91,)


async def test_summaries_share_a_server_and_its_prompt_cache_among_themselves(
    client: GrokClient, fake: FakeGrok
) -> None:
    await client.analyse(["Where is it?"], at_once)
    await client.summarise(CHAT, at_once)
    again = await client.summarise(a_stretch("Hello"), at_once)

    batch, one, other = (received.headers["x-grok-conv-id"] for received in fake.recent)
    assert one == other != batch
    assert again.usage.cached_tokens > 0


async def test_a_server_without_json_schema_is_asked_for_any_object(
    client: GrokClient, fake: FakeGrok
) -> None:
    fake.misbehave("no_json_schema")

    assert (await part_of(client, CHAT)).summary.outcome
    assert (await part_of(client, CHAT)).summary.outcome
    assert [call.status for call in fake.calls] == [400, 200, 200]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("content", {"text": "Sure! Here is"}),
        ("cut_off", {}),
        ("finish", {"text": "length"}),
        ("refusal", {}),
    ],
)
async def test_what_cannot_be_read_is_the_chats_fault(
    client: GrokClient, fake: FakeGrok, kind: str, how: dict[str, Any]
) -> None:
    fake.misbehave(kind, **how)

    with pytest.raises(BatchFault) as caught:
        await client.summarise(CHAT, at_once)
    assert caught.value.usage is not None


async def test_what_is_no_completion_is_the_providers_fault(client: GrokClient, fake: FakeGrok) -> None:
    fake.misbehave("error_under_200")

    with pytest.raises(ProviderFault):
        await client.summarise(CHAT, at_once)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("without_field", {"text": "outcome"}), ("summary_fields", {"fields": {"sentiment": "so-so"}})],
)
async def test_an_answer_that_is_no_summary_is_invalid(
    client: GrokClient, fake: FakeGrok, kind: str, how: dict[str, Any]
) -> None:
    fake.misbehave(kind, **how)

    came = await client.summarise(CHAT, at_once)
    assert isinstance(came.summary, Invalid)
    assert came.usage.completion_tokens > 0


async def test_no_call_costs_more_than_its_worst_case(client: GrokClient, fake: FakeGrok) -> None:
    for material in (CHAT, a_stretch("\u4f60" * 5_000), Merge([a_part(1, 1), a_part(2, 2)])):
        worst = client.worst_summary(material)
        usage = (await client.summarise(material, at_once)).usage
        assert usage.prompt_tokens <= worst.prompt_tokens
        assert usage.completion_tokens <= worst.completion_tokens


# --- the fake -----------------------------------------------------------------------------------------------


async def refused(server: Served, change: Any) -> str:
    """Why the fake refuses the request once it is changed."""
    body = json.loads(request_body(CHAT, model="grok-4.3", effort="none", strict=True))
    question = json.loads(body["messages"][1]["content"])
    change(body, question["conversation"])
    body["messages"][1]["content"] = json.dumps(question, separators=(",", ":"))
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as http:
        response = await http.post("/v1/chat/completions", json=body)
    return str(response.json()["error"]) if response.status_code == 400 else "taken"


def schema_of(body: Any) -> Any:
    return body["response_format"]["json_schema"]["schema"]


CHANGES: dict[str, Any] = {
    "taken": lambda body, chat: None,
    "positions are left out": lambda body, chat: chat["messages"].pop(2),
    "out of order": lambda body, chat: chat["messages"].reverse(),
    "conversation.conversation_id": lambda body, chat: chat.update(conversation_id="chat-1"),
    "either messages or parts": lambda body, chat: chat.pop("messages"),
    "conversation.messages": lambda body, chat: chat.update(messages=[]),
    "conversation.messages.0.role": lambda body, chat: chat["messages"][0].update(role="agent"),
    "conversation.messages.0.author": lambda body, chat: chat["messages"][0].update(author="someone"),
    "conversation.parts": lambda body, chat: chat.update(parts=[a_part(1, 5).document]),
    "over the budget": lambda body, chat: chat["messages"][0].update(text="x" * BYTES_PER_CALL),
    "schema is not a summary's": lambda body, chat: schema_of(body)["required"].remove("outcome"),
}


@pytest.mark.parametrize("reason", CHANGES)
async def test_the_fake_takes_only_what_is_as_it_should_be(
    server: Served, fake: FakeGrok, reason: str
) -> None:
    assert reason in await refused(server, CHANGES[reason])


@pytest.mark.parametrize("kind", SUMMARY_FAULTS)
async def test_the_fake_spoils_summaries_and_nothing_else_on_command(
    client: GrokClient, fake: FakeGrok, kind: str
) -> None:
    good = await part_of(client, CHAT)
    fake.misbehave(kind, calls=1, text="outcome", fields={"outcome": 7})
    reply = await client.analyse(["Where is it?"], at_once)
    bad = await client.summarise(CHAT, at_once)
    again = await part_of(client, CHAT)

    assert not isinstance(reply.rows[0], Invalid)
    assert bad.summary != good.summary == again.summary


# --- as it is written ---------------------------------------------------------------------------------------


async def test_a_summary_is_heard_while_it_is_written_and_is_the_same(
    client: GrokClient, fake: FakeGrok
) -> None:
    whole = await client.summarise(CHAT, at_once)
    on_draft: list[str] = []
    streamed = await client.summarise(CHAT, at_once, on_draft.append)

    assert streamed.summary == whole.summary
    assert (streamed.raw, streamed.usage.completion_tokens) == (whole.raw, whole.usage.completion_tokens)
    assert streamed.usage.cost_ticks
    assert len(on_draft) > 1
    assert on_draft[-1] == whole.raw
    drafts = list(dict.fromkeys(draft_text(each) for each in on_draft))
    assert drafts[0] == ""
    assert drafts[-1] == "Messages 1 to 5."
    assert all(later.startswith(earlier) for earlier, later in pairwise(drafts))
    assert fake.violations == []


@pytest.mark.parametrize(
    ("kind", "how", "fault"),
    [
        ("status", {"status": 503}, ProviderFault),
        ("error_under_200", {}, ProviderFault),
        ("drop", {}, ProviderFault),
        ("finish", {"text": "length"}, BatchFault),
        ("content", {"text": "{"}, BatchFault),
    ],
)
async def test_what_goes_wrong_with_a_stream_goes_wrong_as_with_any_answer(
    client: GrokClient, fake: FakeGrok, kind: str, how: dict[str, Any], fault: type[Exception]
) -> None:
    fake.misbehave(kind, **how)

    with pytest.raises(fault):
        await client.summarise(CHAT, at_once, lambda _: None)


@given(st.text(max_size=200), st.integers(0, 400))
def test_a_draft_is_the_beginning_of_the_text(text: str, length: int) -> None:
    content = json.dumps({"summary": text, "keywords": ["parcel"]}, ensure_ascii=False)

    assert storable(text).startswith(draft_text(content[:length]))
    assert draft_text(content) == storable(text)
    assert draft_text("```json\n" + content) == storable(text)
    assert draft_text("[") == draft_text("3") == draft_text('{"summary": 3}') == ""
