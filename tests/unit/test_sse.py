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
    end=st.sampled_from([b"\n", b"\r\n"]),
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


@pytest.mark.parametrize("foreign", [{"code": "overloaded", "error": "Try again"}, [], 3, None, b"{not json"])
async def test_what_is_no_chunk_is_the_whole_answer(foreign: object) -> None:
    """xAI's server was seen to send an error as a chunk, under status 200."""

    async def arriving() -> AsyncIterator[bytes]:
        yield sent(chunk({"content": "The"}), foreign, chunk({"content": " end"}))

    assert await assemble(arriving(), lambda _: None) == encoded(foreign)


def test_data_of_several_lines_is_one_event() -> None:
    events = EventParser()

    assert [*events.feed(b"event: x\ndata: a\ndata:b\n\nid: 3\n\ndata: c")] == [b"a\nb"]
    assert [*events.feed(b"\n\n")] == [b"c"]


def test_a_stream_is_known_by_its_type() -> None:
    assert is_stream({"content-type": "text/event-stream; charset=utf-8"})
    assert not is_stream({"content-type": "application/json"})
    assert not is_stream({})
