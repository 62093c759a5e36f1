"""Every way in which the fake Grok can misbehave: a `Fault` says when and how, a `Draft` is what it spoils."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

Row = dict[str, Any]


@dataclass(slots=True)
class Fault:
    """Something to do wrong, by `kind`: a name of CALL_FAULTS, ROW_FAULTS or SUMMARY_FAULTS.

    For the next `calls` calls, or until cleared; each time with `probability`; where there is a `marker`, only in
    calls with a text that contains it. Row faults take it row by row: only rows of texts with the marker, of
    that share of all texts, and with `first_only` only the first time that a text is asked about.
    """

    kind: str
    calls: int | None = None
    probability: float = 1.0
    marker: str | None = None
    first_only: bool = False
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    """The body, the content or the finish_reason, where the kind has one."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What the rows say instead; a field that is None here is null there."""
    size: int = 11_000_000
    pause: float = 0
    """Seconds: what a slow answer takes more, or what lies between the parts of an answer without end or
    of one that is streamed."""

    def __post_init__(self) -> None:
        if self.kind not in (*CALL_FAULTS, *ROW_FAULTS, *SUMMARY_FAULTS):
            raise ValueError(f"no fault is called {self.kind!r}")

    def meets(self, texts: Sequence[str], random: Random) -> bool:
        """Whether a call with these texts goes wrong this way; it is then counted."""
        if self.calls == 0 or not any(self.marks(text) for text in texts):
            return False
        if self.kind not in ROW_FAULTS and random.random() >= self.probability:
            return False
        if self.calls is not None:
            self.calls -= 1
        return True

    def marks(self, text: str) -> bool:
        return self.marker is None or self.marker in text

    def spoils(self, text: str, *, first: bool) -> bool:
        """Whether this text's row goes wrong. By the text and not by chance, so that its share is exact."""
        unlucky = zlib.crc32(text.encode()) % 10_000 < self.probability * 10_000
        return self.marks(text) and unlucky and (first or not self.first_only)


@dataclass(slots=True)
class Draft:
    """An answer in the making: rows, then the message with them, then the completion around it, then bytes."""

    rows: list[Row]
    usage: dict[str, Any] | None
    model: str
    strict: bool
    """Whether the request asks for a `json_schema`."""
    stream: bool = False
    """Whether it asks for the answer as it is written."""
    summary: Row | None = None
    """The answer to a request for a summary, which has no rows."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = "stop"
    body: bytes | None = None
    manner: Literal["whole", "hang", "endless", "drop"] = "whole"
    pause: float = 0
    """Seconds between the parts of an answer without end, or of one that is streamed."""
    delay: float = 0
    """Seconds that it takes longer than others."""
    noise: list[str] = field(default_factory=list)
    """What of STREAM_FORMS there is about a streamed answer."""
    billed: dict[str, Any] = field(default_factory=dict)
    """The usage that is paid for, whatever the answer says of it."""

    @property
    def content(self) -> str:
        return json.dumps({"results": self.rows} if self.summary is None else self.summary)

    @property
    def payload(self) -> bytes:
        if self.body is not None:
            return self.body
        message = {"role": "assistant", "content": self.content, "refusal": None} | self.message
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        completion = {"object": "chat.completion", "model": self.model, "choices": [choice]}
        return json.dumps(completion | ({} if self.usage is None else {"usage": self.usage})).encode()

    @property
    def events(self) -> Iterator[bytes]:
        """The same, as server-sent events: five letters at a time, the usage at the end."""
        message = {"content": self.content} | self.message
        chunks: list[Row] = [{"role": "assistant"}, *pieces(message["content"])]
        chunks += [{"refusal": message["refusal"]}] if message.get("refusal") else []
        chunks = [{"choices": [{"index": 0, "delta": piece}]} for piece in chunks]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]})
        chunks.append(
            {"usage": self.usage} if "no_choices" in self.noise else {"choices": [], "usage": self.usage}
        )
        for chunk in chunks:
            yield from (STREAM_FORMS[form] for form in self.noise)
            yield b"data: " + json.dumps({"model": self.model, **chunk}).encode() + b"\n\n"
        if "no_done" not in self.noise:
            yield b"data: [DONE]\n\n"

    @property
    def is_plain(self) -> bool:
        """Whether the rows are all that may be wrong with it."""
        whole = self.status == 200 and self.body is None and self.manner == "whole"
        return whole and not self.message and self.finish_reason == "stop"

    def refuse(self, status: int, code: str, error: str) -> None:
        """Answer as xAI's server does where it has a complaint."""
        self.status = status
        self.billed = {}
        self.body = json.dumps({"code": code, "error": error}).encode()


STREAM_FORMS = {
    "keep_alive": b"data:\n\n",
    "comment": b": keep-alive\n\n",
    "unknown_event": b'event: ping\ndata: {"type": "ping"}\n\n',
    "no_choices": b"",
    "no_done": b"",
    "no_blank_line": b"",
}
"""What a streamed answer may have before each of its chunks, or lack; the same answer all the same."""


def pieces(content: Any) -> Iterator[Row]:
    """Content as it is streamed, five letters at a time; each piece a list of parts where it is one."""
    parts = isinstance(content, list)
    written = "".join(part["text"] for part in content) if parts else content or ""
    for at in range(0, len(written), 5):
        text = written[at : at + 5]
        yield {"content": [{"type": "text", "text": text}] if parts else text}


def _status(draft: Draft, fault: Fault) -> None:
    draft.refuse(fault.status, "A fault that was ordered", f"This call was told to answer {fault.status}")
    if fault.text is not None:
        draft.body = fault.text.encode()
    draft.headers |= fault.headers


def _out_of_credits(draft: Draft, fault: Fault) -> None:
    said = "Team t-1 has used all available credits or reached its monthly spending limit."
    draft.refuse(429, "Some resource has been exhausted", said)


def _error_under_200(draft: Draft, fault: Fault) -> None:
    draft.refuse(200, "The service is currently unavailable", "Timed out waiting for the first token")


def _no_json_schema(draft: Draft, fault: Fault) -> None:
    if draft.strict:
        said = fault.text or "response_format json_schema is unknown"
        draft.refuse(400, "Client specified an invalid argument", said)


def _plain_text(draft: Draft, fault: Fault) -> None:
    draft.body = (fault.text or "upstream said nothing").encode()
    draft.headers["content-type"] = "text/plain"
    draft.billed = {}


def _content(draft: Draft, fault: Fault) -> None:
    draft.message["content"] = fault.text


def _cut_off(draft: Draft, fault: Fault) -> None:
    draft.message["content"] = draft.content[: len(draft.content) // 2]


def _cut_stream(draft: Draft, fault: Fault) -> None:
    """As an upstream does that goes away in the middle: no finish_reason, no usage. A whole answer stays whole.

    With a `text` it ends with that reason and with usage, as a gateway makes it up.
    """
    if draft.stream:
        _cut_off(draft, fault)
        draft.finish_reason = fault.text
        draft.usage = draft.usage if fault.text else None


def _drop_stream(draft: Draft, fault: Fault) -> None:
    """The connection breaks in the middle of a stream."""
    if draft.stream:
        draft.manner = "drop"


def _unasked_stream(draft: Draft, fault: Fault) -> None:
    """The answer is streamed, whatever was asked for."""
    draft.stream = True


def _stream_form(draft: Draft, fault: Fault) -> None:
    """The same answer in another of STREAM_FORMS, where it is streamed."""
    draft.noise.append(fault.text or "keep_alive")


def _fenced(draft: Draft, fault: Fault) -> None:
    draft.message["content"] = f"```json\n{draft.content}\n```"


def _prose(draft: Draft, fault: Fault) -> None:
    draft.message["content"] = f"Sure! Here {{it}} is:\n{draft.content}\nAnything else?"


def _parts(draft: Draft, fault: Fault) -> None:
    half = len(draft.content) // 2
    texts = draft.content[:half], draft.content[half:]
    draft.message["content"] = [{"type": "text", "text": text} for text in texts]


def _thoughts_in_total(draft: Draft, fault: Fault) -> None:
    """As Gemini does: `fault.size` tokens of thoughts are in the total and nowhere else, and are billed as output."""
    if draft.usage:
        ticks = draft.usage["cost_in_usd_ticks"] + fault.size * 25_000
        draft.billed = draft.usage | {"cost_in_usd_ticks": ticks}
        draft.usage = {name: draft.usage[name] for name in ("prompt_tokens", "completion_tokens")} | {
            "prompt_tokens_details": draft.usage["prompt_tokens_details"],
            "total_tokens": draft.usage["total_tokens"] + fault.size,
        }


def _finish(draft: Draft, fault: Fault) -> None:
    draft.finish_reason = fault.text


def _refusal(draft: Draft, fault: Fault) -> None:
    draft.message |= {"content": None, "refusal": fault.text or "I would rather not."}


def _no_usage(draft: Draft, fault: Fault) -> None:
    draft.usage = None


def _no_ticks(draft: Draft, fault: Fault) -> None:
    if draft.usage:
        draft.usage.pop("cost_in_usd_ticks", None)


def _huge(draft: Draft, fault: Fault) -> None:
    draft.body = draft.payload + b" " * fault.size


def _packed(draft: Draft, fault: Fault) -> None:
    packer = zlib.compressobj(wbits=31)
    draft.body = packer.compress(draft.payload) + packer.flush()
    draft.headers["content-encoding"] = fault.text or "gzip"


def _hang(draft: Draft, fault: Fault) -> None:
    draft.manner = "hang"


def _endless(draft: Draft, fault: Fault) -> None:
    draft.manner = "endless"
    draft.pause = fault.pause


def _drip(draft: Draft, fault: Fault) -> None:
    draft.pause = fault.pause


def _slow(draft: Draft, fault: Fault) -> None:
    draft.delay += fault.pause


def _drop(draft: Draft, fault: Fault) -> None:
    draft.manner = "drop"


def _reordered(draft: Draft, fault: Fault) -> None:
    draft.rows.reverse()


def _invented(draft: Draft, fault: Fault) -> None:
    draft.rows.append((draft.rows[0] if draft.rows else {}) | {"conversation_id": fault.text or "conv_99"})


CALL_FAULTS: dict[str, Callable[[Draft, Fault], None]] = {
    "status": _status,
    "out_of_credits": _out_of_credits,
    "error_under_200": _error_under_200,
    "no_json_schema": _no_json_schema,
    "plain_text": _plain_text,
    "content": _content,
    "cut_off": _cut_off,
    "cut_stream": _cut_stream,
    "drop_stream": _drop_stream,
    "unasked_stream": _unasked_stream,
    "stream_form": _stream_form,
    "fenced": _fenced,
    "prose": _prose,
    "parts": _parts,
    "thoughts_in_total": _thoughts_in_total,
    "finish": _finish,
    "refusal": _refusal,
    "no_usage": _no_usage,
    "no_ticks": _no_ticks,
    "reordered": _reordered,
    "invented": _invented,
    "huge": _huge,
    "packed": _packed,
    "hang": _hang,
    "endless": _endless,
    "slow": _slow,
    "drip": _drip,
    "drop": _drop,
}


def _missing(row: Row, fault: Fault) -> list[Row]:
    return []


def _twice(row: Row, fault: Fault) -> list[Row]:
    return [row, row]


def _twice_differently(row: Row, fault: Fault) -> list[Row]:
    return [row, row | {"sentiment_score": -row["sentiment_score"] or 0.5}]


def _fields(row: Row, fault: Fault) -> list[Row]:
    return [row | fault.fields]


def _own_fields(row: Row, fault: Fault) -> list[Row]:
    """The operator's fields say something else."""
    return [row | {"fields": row["fields"] | fault.fields}]


def _without_own_field(row: Row, fault: Fault) -> list[Row]:
    return [row | {"fields": {name: value for name, value in row["fields"].items() if name != fault.text}}]


ROW_FAULTS: dict[str, Callable[[Row, Fault], list[Row]]] = {
    "missing": _missing,
    "twice": _twice,
    "twice_differently": _twice_differently,
    "fields": _fields,
    "own_fields": _own_fields,
    "without_own_field": _without_own_field,
}


def _every_item(summary: Row, **said: Any) -> Row:
    kinds = ("action_items", "decisions", "questions")
    return summary | {kind: [item | said for item in summary[kind]] for kind in kinds}


def _false_quotes(summary: Row, fault: Fault) -> Row:
    return _every_item(summary, quote=fault.text or "words that nobody ever said")


def _wrong_positions(summary: Row, fault: Fault) -> Row:
    return _every_item(summary, positions=[0, 1_000_000])


def _summary_fields(summary: Row, fault: Fault) -> Row:
    return summary | fault.fields


def _without_field(summary: Row, fault: Fault) -> Row:
    return {name: value for name, value in summary.items() if name != fault.text}


SUMMARY_FAULTS: dict[str, Callable[[Row, Fault], Row]] = {
    "false_quotes": _false_quotes,
    "wrong_positions": _wrong_positions,
    "summary_fields": _summary_fields,
    "without_field": _without_field,
}
