"""A completion that comes while it is written: server-sent events, put together to what it is in one piece."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from domain.summaries import DraftListener

END = b"[DONE]"


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers (names in lower case) comes in events."""
    return headers.get("content-type", "").startswith("text/event-stream")


async def assemble(chunks: AsyncIterator[bytes], on_draft: DraftListener) -> bytes:
    """The body that the answer would have had in one piece."""
    events, completion = EventParser(), CompletionAssembler()
    async for chunk in chunks:
        known = len(completion.content)
        for data in events.feed(chunk):
            completion.add(data)
        if len(completion.content) > known:
            on_draft(completion.content)
    return completion.body()


class EventParser:
    """Cuts bytes, however they arrive, into the data of server-sent events (WHATWG HTML 9.2)."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the events that these bytes complete."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield from self._ended(bytes(self._line + line).removesuffix(b"\r"))
            self._line.clear()
        self._line += rest

    def _ended(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line and self._data:
            yield b"\n".join(self._data)
            self._data.clear()


class CompletionAssembler:
    """A chat completion in the making, from the chunks that OpenAI's format cuts it into."""

    def __init__(self) -> None:
        self.content = ""
        self._refusal = ""
        self._finish_reason: str | None = None
        self._envelope: dict[str, Any] = {}
        self._foreign: bytes | None = None

    def add(self, data: bytes) -> None:
        """Take in one chunk. What is none (xAI sends an error so, under status 200) becomes the whole answer."""
        if data == END or self._foreign is not None:
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
            self._foreign = data

    def _grow(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self.content += delta.get("content") or ""
        self._refusal += delta.get("refusal") or ""
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def body(self) -> bytes:
        """The answer in one piece, JSON."""
        if self._foreign is not None:
            return self._foreign
        message = {"role": "assistant", "content": self.content, "refusal": self._refusal or None}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return json.dumps({**self._envelope, "choices": [choice]}).encode()
