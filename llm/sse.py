"""Streamed completions: parses server-sent events and assembles the completion that an unstreamed call returns."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple

from domain.summaries import DraftListener
from llm.content import text_of

BOM = b"\xef\xbb\xbf"


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether a response with these headers (names in lower case) is an event stream."""
    return headers.get("content-type", "").strip().lower().startswith("text/event-stream")


async def assemble(chunks: AsyncIterator[bytes], on_draft: DraftListener) -> bytes:
    """Return the body that the response would have without streaming. `on_draft` is called as the content grows."""
    events, completion = EventParser(), CompletionAssembler()
    async for chunk in chunks:
        length = len(completion.content)
        for event in events.feed(chunk):
            completion.add(event)
        if len(completion.content) > length:
            on_draft(completion.content)
    for event in events.close():
        completion.add(event)
    return completion.body()


class Event(NamedTuple):
    """A server-sent event: its name, empty if it has none, and its data."""

    name: bytes
    data: bytes


class EventParser:
    """Splits bytes, in chunks of any size, into server-sent events (WHATWG HTML 9.2)."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._name = b""
        self._data: list[bytes] = []
        self._is_first_line = True
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield each event that these bytes complete. A line ends with LF, CR or both."""
        if not chunk:
            return
        rest = chunk[1:] if self._ended_with_cr and chunk.startswith(b"\n") else chunk
        self._ended_with_cr = chunk.endswith(b"\r")
        *lines, rest = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            yield from self._end_line(bytes(self._line + line))
            self._line.clear()
        self._line += rest

    def close(self) -> Iterator[Event]:
        """Yield the last event if the stream ended without the empty line that should follow it."""
        yield from self._end_line(bytes(self._line))
        yield from self._end_line(b"")

    def _end_line(self, line: bytes) -> Iterator[Event]:
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(BOM), False
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            yield from self._end_event()
        elif field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value

    def _end_event(self) -> Iterator[Event]:
        if self._data:
            yield Event(self._name, b"\n".join(self._data))
        self._name = b""
        self._data.clear()


class CompletionAssembler:
    """Assembles a chat completion from streamed chunks in OpenAI's format.

    Only an error ends it. What it does not know is passed over: keep-alives, `[DONE]`, events of other kinds.
    """

    def __init__(self) -> None:
        self.content = ""
        self._refusal = ""
        self._finish_reason: str | None = None
        self._envelope: dict[str, Any] = {}
        self._has_choices = False
        self._error: bytes | None = None
        self._unknown = b""

    def add(self, event: Event) -> None:
        """Add one event. An error becomes the whole body: xAI sends errors so, with status 200."""
        if self._error is not None:
            return
        chunk = _document(event.data)
        if event.name == b"error" or _is_error(chunk):
            self._error = event.data
        elif isinstance(chunk, dict):
            self._add_chunk(chunk)
        else:
            self._unknown = self._unknown or event.data

    def _add_chunk(self, chunk: Mapping[str, Any]) -> None:
        # The usage may come in any chunk, often in one that has no choices.
        self._envelope |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._has_choices = True
            self._grow(choices[0])

    def _grow(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            # Some servers send a whole message as the only chunk, others repeat it in the last one.
            delta = {} if self.content else choice.get("message")
        if isinstance(delta, dict):
            self.content += text_of(delta.get("content"))
            self._refusal += text_of(delta.get("refusal"))
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def body(self) -> bytes:
        """The assembled completion as JSON; the error if there was one, or what came in place of a completion."""
        if self._error is not None:
            return self._error
        if not self._has_choices:
            return self._unknown
        message = {"role": "assistant", "content": self.content, "refusal": self._refusal or None}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return json.dumps({**self._envelope, "choices": [choice]}).encode()


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _is_error(chunk: object) -> bool:
    """Whether it is an error's body: an object with `error`, or, as Gemini sends it, a list of one."""
    first = chunk[0] if isinstance(chunk, list) and chunk else chunk
    return isinstance(first, dict) and bool(first.get("error"))
