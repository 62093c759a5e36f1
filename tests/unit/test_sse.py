"""A streamed completion is read as the same in one piece would be, however its bytes arrive."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.completions import ServerResponse, parse_completion
from llm.sse import EventParser, assemble, is_stream

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "cost_in_usd_ticks": 99}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "grok-4.3", "choices": [{"delta": delta, "finish_reason": finish_reason}], **more}


def sent(*chunks: object, end: bytes = b"\n") -> bytes:
    """Chunks as they travel, a comment among them."""
    lines = [b": keep-alive", b"", *(line for each in chunks for line in (b"data: " + encoded(each), b""))]
    return end.join([*lines, b"data: [DONE]", b"", b""])


def encoded(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()


async def put_together(pieces: Iterable[bytes]) -> tuple[dict[str, Any], Sequence[str]]:
    """The body, and all that was heard of it."""

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    on_draft: list[str] = []
    body = json.loads(await assemble(arriving(), on_draft.append))
    return body, on_draft


def cut(whole: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(at % (len(whole) + 1) for at in cuts)})
    return [whole[first:last] for first, last in pairwise(places)]


@given(
    pieces=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
async def test_however_it_is_cut_it_is_the_same_answer(
    pieces: list[str], cuts: list[int], end: bytes
) -> None:
    chunks = [chunk({"role": "assistant"}), *(chunk({"content": piece}) for piece in pieces)]
    whole = sent(*chunks, chunk({}, "stop"), {"choices": [], "usage": USAGE}, end=end)

    body, on_draft = await put_together(cut(whole, cuts))

    content = "".join(pieces)
    message = {"role": "assistant", "content": content, "refusal": None}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert body == {"model": "grok-4.3", "usage": USAGE, "choices": choices}
    assert all(content.startswith(each) for each in on_draft)
    assert all(len(later) > len(earlier) for earlier, later in pairwise(on_draft))
    assert (on_draft[-1] if on_draft else "") == content


async def test_what_it_is_put_together_to_reads_as_a_completion() -> None:
    chunks = chunk({"content": '{"a":'}), chunk({"content": "1}"}, "stop", usage=USAGE)
    body, _ = await put_together([sent(*chunks)])

    read, envelope = parse_completion(ServerResponse(200, {}, encoded(body)), "asked", json.loads)

    assert read == {"a": 1}
    assert (envelope.model, envelope.usage.cost_ticks) == ("grok-4.3", 99)


async def test_a_refusal_and_an_end_too_early_are_kept() -> None:
    refused, _ = await put_together([sent(chunk({"refusal": "I can"}), chunk({"refusal": "not"}, "stop"))])
    unfinished, _ = await put_together([sent(chunk({"content": "The par"}))])

    assert refused["choices"][0]["message"]["refusal"] == "I cannot"
    assert unfinished["choices"][0]["finish_reason"] is None


ERRORS = [
    encoded({"code": "overloaded", "error": "Try again"}),
    encoded({"error": {"message": "Try again", "code": "500"}, "choices": []}),
    encoded([{"error": {"message": "Try again"}}]),
]


@pytest.mark.parametrize("error", ERRORS)
async def test_an_error_is_the_whole_answer(error: bytes) -> None:
    """xAI's server was seen to send an error as a chunk, under status 200."""
    whole = sent(chunk({"content": "The"}), error, chunk({"content": " end"}))

    assert await assembled(whole) == error


async def test_an_event_that_is_named_error_is_the_whole_answer() -> None:
    whole = sent(chunk({"content": "The"})) + b"event: error\ndata: overloaded\n\n" + sent(chunk({}, "stop"))

    assert await assembled(whole) == b"overloaded"


async def assembled(whole: bytes) -> bytes:
    async def arriving() -> AsyncIterator[bytes]:
        yield whole

    return await assemble(arriving(), lambda _: None)


NOISE = [
    b"data:\n\n",
    b"data: \n\n",
    b"data\n\n",
    b": keep-alive\n\n",
    b"\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b"id: 3\nretry: 10\n\n",
    b"data: [DONE]\n\n",
    b"data: {not json\n\n",
    b"data: []\n\n",
    b"data: 3\n\n",
    b"data: null\n\n",
    b"data: {}\n\n",
    b'data: {"choices": null, "usage": null}\n\n',
    b'data: {"choices": [], "error": null}\n\n',
    b'data: {"choices": [null]}\n\n',
    b'data: {"choices": [{"delta": null, "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]}\n\n',
    b'data: {"id": "x", "object": "chat.completion.chunk"}\n\n',
]


@given(noise=st.lists(st.sampled_from(NOISE), max_size=12), at=st.lists(st.integers(0, 5), max_size=12))
async def test_whatever_it_does_not_know_is_passed_over(noise: list[bytes], at: list[int]) -> None:
    events = [
        *(b"data: " + encoded(chunk({"content": piece})) + b"\n\n" for piece in ('{"a"', ":1", "}")),
        b"data: " + encoded(chunk({}, "stop")) + b"\n\n",
        b"data: " + encoded({"usage": USAGE}) + b"\n\n",
    ]
    for each, place in zip(noise, at, strict=False):
        events.insert(place, each)

    body = json.loads(await assembled(b"".join(events)))

    assert body["choices"][0]["message"]["content"] == '{"a":1}'
    assert (body["choices"][0]["finish_reason"], body["usage"]) == ("stop", USAGE)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
async def test_the_last_event_needs_no_empty_line(end: bytes) -> None:
    last = b"data: " + encoded(chunk({"content": "1}"}, "stop", usage=USAGE))
    body = json.loads(await assembled(sent(chunk({"content": '{"a":'})) + last + end))

    assert body["choices"][0]["message"]["content"] == '{"a":1}'
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_a_usage_is_kept_whatever_follows() -> None:
    body, _ = await put_together([sent(chunk({"content": "x"}, usage=USAGE), chunk({}, "stop", usage={}))])

    assert body["usage"] == USAGE


async def test_an_end_that_was_told_is_not_taken_back() -> None:
    body, _ = await put_together([sent(chunk({"content": "x"}, "stop"), chunk({}, None))])

    assert body["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("last", [[], [{"message": {"content": "whole"}, "finish_reason": "stop"}]])
async def test_a_whole_message_is_read_once(last: list[object]) -> None:
    message = {
        "choices": [{"message": {"content": [{"type": "text", "text": "whole"}]}, "finish_reason": "stop"}]
    }
    body, _ = await put_together([sent(message, {"choices": last})])

    assert body["choices"][0]["message"]["content"] == "whole"


async def test_a_stream_without_a_completion_is_none() -> None:
    assert await assembled(b"data: upstream said nothing\n\n") == b"upstream said nothing"
    assert await assembled(b"") == b""


def test_data_of_several_lines_is_one_event() -> None:
    events = EventParser()

    assert [*events.feed(b"event: x\ndata: a\ndata:b\n\nid: 3\n\ndata: c")] == [(b"x", b"a\nb")]
    assert [*events.feed(b"\n\n")] == [(b"", b"c")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert [*EventParser().feed(b"\xef\xbb\xbfdata: a\n\n")] == [(b"", b"a")]


def test_a_stream_is_known_by_its_type() -> None:
    assert is_stream({"content-type": "text/event-stream; charset=utf-8"})
    assert is_stream({"content-type": "Text/Event-Stream"})
    assert not is_stream({"content-type": "application/json"})
    assert not is_stream({})
