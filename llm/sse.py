"""Streamed completions: parses server-sent events and assembles the completion that an unstreamed call returns."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from domain.summaries import DraftListener

END = b"[DONE]"


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether a response with these headers (names in lower case) is an event stream."""
    return headers.get("content-type", "").startswith("text/event-stream")


async def assemble(chunks: AsyncIterator[bytes], on_draft: DraftListener) -> bytes:
    """Return the body that the response would have without streaming. `on_draft` is called as the content grows."""
    events, completion = EventParser(), CompletionAssembler()
    async for chunk in chunks:
        length = len(completion.content)
        for data in events.feed(chunk):
            completion.add(data)
        if len(completion.content) > length:
            on_draft(completion.content)
    return completion.body()


class EventParser:
    """Splits bytes, in chunks of any size, into the data of server-sent events (WHATWG HTML 9.2)."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of each event that these bytes complete."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield from self._end_line(bytes(self._line + line).removesuffix(b"\r"))
            self._line.clear()
        self._line += rest

    def _end_line(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line and self._data:
            yield b"\n".join(self._data)
            self._data.clear()


class CompletionAssembler:
    """Assembles a chat completion from streamed chunks in OpenAI's format."""

    def __init__(self) -> None:
        self.content = ""
        self._refusal = ""
        self._finish_reason: str | None = None
        self._envelope: dict[str, Any] = {}
        self._not_a_chunk: bytes | None = None

    def add(self, data: bytes) -> None:
        """Add one chunk. Data that is not a chunk becomes the whole body: xAI sends errors so, with status 200."""
        if data == END or self._not_a_chunk is not None:
            return
        try:
            chunk = json.loads(data)
            choices = chunk["choices"]
            self._envelope |= {
                name: chunk[name] for name in ("model", "usage") if chunk.get(name) is not None
            }
            if choices:
                self._grow(choices[0])
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            self._not_a_chunk = data

    def _grow(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self.content += delta.get("content") or ""
        self._refusal += delta.get("refusal") or ""
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def body(self) -> bytes:
        """The assembled completion as JSON."""
        if self._not_a_chunk is not None:
            return self._not_a_chunk
        message = {"role": "assistant", "content": self.content, "refusal": self._refusal or None}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return json.dumps({**self._envelope, "choices": [choice]}).encode()
