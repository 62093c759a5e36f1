"""How a server's answer is read: a reply with validated rows, or the error that says whose fault it is."""

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeGuard, TypeVar

from domain.analysis import (
    MAX_RAW,
    BatchFault,
    CallFailed,
    Envelope,
    ProviderFault,
    RateLimited,
    Reply,
    Usage,
    storable,
)
from llm.error_rules import matching_rule
from llm.prompts import read_rows

LONGEST_PAUSE = 3_600.0
MAX_DETAIL = 300
MAX_NAME = 100
MAX_SAID = 1_000
MAX_TOKENS = 2**31 - 1
MAX_TICKS = 2**53
COMPLETE = frozenset({"stop", "end_turn"})
INCOMPLETE = {"length": "truncated", "content_filter": "refused"}

# A key as it looks, whole or starred out in the middle: the server may repeat one.
SECRET = re.compile(r"\b(xai|sk|gsk)-[\w-]{6,}|\bAIza[\w-]{6,}|\S*\*{3}\S*")
# A sentence about key, credit, model or rate cannot repeat a conversation; others could.
QUOTED = frozenset({401, 402, 403, 404, 429})

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """The server's id of the call, for its support."""
        return _name(self.headers.get("x-request-id"))


class Complaint(NamedTuple):
    """An error body: a code or status word, and a sentence that may repeat what was sent."""

    code: str
    message: str


def fault_of(answer: ServerAnswer, *, key: str, now: float, quotable: bool = False) -> CallFailed:
    """The error that an answer other than 200 stands for; `now` is in seconds since 1970.

    `quotable` is whether the request carried no conversation, so that its sentence cannot repeat one.
    """
    complaint = complaint_of(answer.body)
    said = " ".join(complaint)
    rule = matching_rule(answer.status, said)
    shown = said if quotable or answer.status in QUOTED else complaint.code
    detail = f"{_status_line(answer.status)}: {shown}"
    if rule.kind is RateLimited:
        return _rate_limited(answer, one_line(detail, key), now)
    return rule.kind(rule.outcome, one_line(detail, key), status=answer.status, request_id=answer.request_id)


def _rate_limited(answer: ServerAnswer, detail: str, now: float) -> RateLimited:
    asked = answer.headers.get("retry-after")
    shown = one_line(f"Retry-After {asked}, {detail}") if asked else detail
    pause = retry_after(asked, now)
    return RateLimited(shown, retry_after=pause, status=answer.status, request_id=answer.request_id)


def _status_line(status: int) -> str:
    return f"HTTP {status} {http.client.responses.get(status, '')}".strip()


def complaint_of(body: bytes) -> Complaint:
    """Of xAI's `{code, error}`, OpenAI's `{error: {...}}`, Gemini's `[{error: {...}}]`, or plain text."""
    document = _parsed(body)
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return Complaint("", body[:MAX_SAID].decode("utf-8", "replace"))
    error = document.get("error")
    if isinstance(error, dict):
        document, error = error, error.get("message")
    code = next(filter(_is_word, (document.get(name) for name in ("code", "status", "type"))), "")
    message = _first_text(error, document.get("message"), document.get("detail"))
    return Complaint(code[:MAX_NAME], message[:MAX_SAID])


def _is_word(code: object) -> TypeGuard[str]:
    """Whether it says more than the status, which LiteLLM's `code` only repeats ("400")."""
    return isinstance(code, str) and not code.isdecimal()


def one_line(text: str, key: str = "") -> str:
    """At most 300 printable characters on one line, without the key or anything that looks like one."""
    hidden = SECRET.sub("[key]", text.replace(key, "[key]") if key else text)
    printable = "".join(letter if letter.isprintable() else " " for letter in hidden)
    return " ".join(printable.split())[:MAX_DETAIL].strip(" :")


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, 0 to 3,600, from a Retry-After in seconds or as HTTP date; None for anything else."""
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    utc = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(utc.timestamp() - now, 0.0), LONGEST_PAUSE)


class Choice(NamedTuple):
    """The first choice of a chat completion."""

    finish_reason: str
    message: Mapping[str, object]


def reply_of(answer: ServerAnswer, *, count: int, model: str) -> Reply:
    """The reply that a 200 to `count` texts carries; `model` is who was asked. Raises as `read_completion` does."""
    (rows, ignored), envelope = read_completion(answer, model, lambda content: read_rows(content, count))
    return Reply(rows=rows, ignored_ids=ignored, **fields_of(envelope))


def fields_of(envelope: Envelope) -> dict[str, Any]:
    """What is known of a call, to be put into what it brought."""
    return {each.name: getattr(envelope, each.name) for each in fields(Envelope)}


def read_completion(answer: ServerAnswer, model: str, read: Callable[[str], Read]) -> tuple[Read, Envelope]:
    """What `read` makes of a completion's content, and what is known of the call.

    Raises ProviderFault where it is no chat completion, BatchFault where its content is not what was asked:
    incomplete, refused, or such that `read` raises ValueError.
    """
    completion = _object(_parsed(answer.body))
    usage = usage_of(completion.get("usage"))
    content = _content(_choice(answer, completion), answer, usage)
    try:
        said = read(content)
    except ValueError as error:
        raise _unusable("malformed", str(error), content, answer, usage) from error
    name = _name(completion.get("model")) or model
    return said, Envelope(model=name, usage=usage, request_id=answer.request_id, status=answer.status)


def _choice(answer: ServerAnswer, envelope: Mapping[str, object]) -> Choice:
    choices = envelope.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message = first.get("message")
    if not isinstance(message, dict):
        raise _no_completion(answer)
    return Choice(_first_text(first.get("finish_reason")), message)


def _no_completion(answer: ServerAnswer) -> ProviderFault:
    return ProviderFault(
        "no_completion",
        one_line(
            f"{_status_line(answer.status)} without a chat completion: {complaint_of(answer.body).code}"
        ),
        status=answer.status,
        request_id=answer.request_id,
        body=_kept(answer.body.decode("utf-8", "replace")),
    )


def _content(choice: Choice, answer: ServerAnswer, usage: Usage) -> str:
    content = choice.message.get("content")
    refusal = choice.message.get("refusal")
    written = _first_text(content, refusal)
    if choice.finish_reason not in COMPLETE:
        outcome = INCOMPLETE.get(choice.finish_reason, "unfinished")
        detail = f"finish_reason {choice.finish_reason or 'missing'}"
        raise _unusable(outcome, detail, written, answer, usage)
    if refusal or not isinstance(content, str):
        raise _unusable("refused", "refusal" if refusal else "no content", written, answer, usage)
    return content


def _unusable(outcome: str, detail: str, written: str, answer: ServerAnswer, usage: Usage) -> BatchFault:
    return BatchFault(
        outcome,
        one_line(detail),
        status=answer.status,
        usage=usage,
        request_id=answer.request_id,
        body=_kept(written),
    )


def usage_of(value: object) -> Usage:
    """The `usage` of a completion; what is missing or no count is 0, and None for the cost."""
    usage = _object(value)
    prompt, completion = (_object(usage.get(f"{kind}_tokens_details")) for kind in ("prompt", "completion"))
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens"), MAX_TOKENS) or 0,
        cached_tokens=_count(prompt.get("cached_tokens"), MAX_TOKENS) or 0,
        completion_tokens=_count(usage.get("completion_tokens"), MAX_TOKENS) or 0,
        reasoning_tokens=_count(completion.get("reasoning_tokens"), MAX_TOKENS) or 0,
        cost_ticks=_count(usage.get("cost_in_usd_ticks"), MAX_TICKS),
    )


def _count(value: object, most: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str)), "")


def _name(value: object) -> str | None:
    return one_line(value)[:MAX_NAME] if isinstance(value, str) and value.strip() else None


def _kept(written: str) -> str:
    return storable(written[:MAX_RAW])
