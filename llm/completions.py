"""How a server's answer is read: a reply with validated rows, or the error that says whose fault it is."""

import http.client
import json
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

from domain.analysis import (
    MAX_RAW,
    BatchFault,
    CallFailed,
    Denied,
    Envelope,
    ProviderFault,
    RateLimited,
    Reply,
    Usage,
    storable,
)
from llm.prompts import parse_rows

LONGEST_PAUSE = 3_600.0
MAX_DETAIL = 300
MAX_NAME = 100
MAX_SAID = 1_000
MAX_TOKENS = 2**31 - 1
MAX_TICKS = 2**53
COMPLETE = frozenset({"stop", "end_turn"})
INCOMPLETE = {"length": "truncated", "content_filter": "refused"}

CREDITS = re.compile(
    r"\b(used|spent|out of|no|any|insufficient|exhausted|enough)\b[^.]{0,40}\bcredits?\b"
    r"|\bcredits?\b[^.]{0,40}\b(exhausted|used up|depleted|insufficient|too low)\b"
    r"|\bspend(ing)?[ _-](limit|cap)\b|\binsufficient[ _]quota\b",
    re.IGNORECASE,
)
KEY = re.compile(
    r"\b(incorrect|invalid|wrong|missing|expired|unknown|no)\b.{0,20}\bapi[ _-]?key\b"
    r"|\bapi[ _-]?key\b.{0,40}\b(not|invalid|incorrect|expired|missing|disabled|blocked)\b",
    re.IGNORECASE,
)
MODEL = re.compile(
    r"\b(unknown|invalid|no such) model\b"
    r"|\bmodel\b.{0,100}\b(does not exist|doesn't exist|not found|not available|no longer|retired)\b",
    re.IGNORECASE,
)
GUIDELINES = re.compile(r"usage guidelines|safety_check", re.IGNORECASE)
SCHEMA = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)
# A key as it looks, whole or starred out in the middle: the server may repeat one.
SECRET = re.compile(r"\b(xai|sk|gsk)-[\w-]{6,}|\bAIza[\w-]{6,}|\S*\*{3}\S*")
# A sentence about key, credit, model or rate cannot repeat a conversation; others could.
QUOTED = frozenset({401, 402, 403, 404, 429})

Read = TypeVar("Read")


class SchemaRefused(BatchFault):
    """The server takes no `response_format: json_schema`, or not the one it was sent."""


class Rule(NamedTuple):
    """What an answer means that has one of these statuses and says something like this."""

    statuses: Container[int]
    says: re.Pattern[str] | None
    kind: type[CallFailed]
    outcome: str


# The first that fits counts. Statuses are those of docs.x.ai (debugging); public reports add 400 for a wrong
# key and an unknown model, 403 for missing credits and for content against the guidelines.
RULES = (
    Rule({403}, GUIDELINES, BatchFault, "refused"),
    Rule({402, 403, 429}, CREDITS, Denied, "credits"),
    Rule({402}, None, Denied, "credits"),
    Rule({429}, None, RateLimited, "rate_limited"),
    Rule({400}, KEY, Denied, "credentials"),
    Rule({401, 403}, None, Denied, "credentials"),
    Rule({400}, MODEL, Denied, "model"),
    Rule({404}, None, Denied, "model"),
    Rule({400, 422}, SCHEMA, SchemaRefused, "rejected"),
    Rule({400, 413, 422}, None, BatchFault, "rejected"),
    Rule({408, 425}, None, ProviderFault, "server_error"),
    Rule(range(500, 1000), None, ProviderFault, "server_error"),
    Rule(range(200, 300), None, ProviderFault, "no_completion"),
    # 3xx, 405, 410, 415 and the rest: the next call would be answered alike, a canary tells when no longer.
    Rule(range(1000), None, Denied, "rejected"),
)


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """What came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """The server's id of the call, for its support."""
        return _name(self.headers.get("x-request-id"))


class ErrorBody(NamedTuple):
    """An error body: a code or status word, and a sentence that may repeat what was sent."""

    code: str
    message: str


def classify_error(answer: ServerResponse, *, key: str, now: float) -> CallFailed:
    """The error that an answer other than 200 stands for; `now` is in seconds since 1970."""
    error = parse_error(answer.body)
    said = " ".join(error)
    rule = _rule(answer.status, said)
    detail = f"{_status_line(answer.status)}: {said if answer.status in QUOTED else error.code}"
    if rule.kind is RateLimited:
        return _rate_limited(answer, one_line(detail, key), now)
    return rule.kind(rule.outcome, one_line(detail, key), status=answer.status, request_id=answer.request_id)


def _rate_limited(answer: ServerResponse, detail: str, now: float) -> RateLimited:
    asked = answer.headers.get("retry-after")
    shown = one_line(f"Retry-After {asked}, {detail}") if asked else detail
    pause = retry_after(asked, now)
    return RateLimited(shown, retry_after=pause, status=answer.status, request_id=answer.request_id)


def _rule(status: int, said: str) -> Rule:
    return next(
        rule for rule in RULES if status in rule.statuses and (not rule.says or rule.says.search(said))
    )


def _status_line(status: int) -> str:
    return f"HTTP {status} {http.client.responses.get(status, '')}".strip()


def parse_error(body: bytes) -> ErrorBody:
    """Of xAI's `{code, error}`, OpenAI's `{error: {...}}`, Gemini's `[{error: {...}}]`, or plain text."""
    document = _parsed(body)
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return ErrorBody("", body[:MAX_SAID].decode("utf-8", "replace"))
    error = document.get("error")
    if isinstance(error, dict):
        document, error = error, error.get("message")
    code = _first_text(*(document.get(name) for name in ("code", "status", "type")))
    message = _first_text(error, document.get("message"), document.get("detail"))
    return ErrorBody(code[:MAX_NAME], message[:MAX_SAID])


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


def parse_reply(answer: ServerResponse, *, count: int, model: str) -> Reply:
    """The reply that a 200 to `count` texts carries; `model` is who was asked. Raises as `read_completion` does."""
    (rows, ignored), envelope = read_completion(answer, model, lambda content: parse_rows(content, count))
    return Reply(rows=rows, ignored_ids=ignored, **envelope_fields(envelope))


def envelope_fields(envelope: Envelope) -> dict[str, Any]:
    """What is known of a call, to be put into what it brought."""
    return {each.name: getattr(envelope, each.name) for each in fields(Envelope)}


def read_completion(answer: ServerResponse, model: str, read: Callable[[str], Read]) -> tuple[Read, Envelope]:
    """What `read` makes of a completion's content, and what is known of the call.

    Raises ProviderFault where it is no chat completion, BatchFault where its content is not what was asked:
    incomplete, refused, or such that `read` raises ValueError.
    """
    completion = _object(_parsed(answer.body))
    usage = parse_usage(completion.get("usage"))
    content = _content(_choice(answer, completion), answer, usage)
    try:
        said = read(content)
    except ValueError as error:
        raise _unusable("malformed", str(error), content, answer, usage) from error
    name = _name(completion.get("model")) or model
    return said, Envelope(model=name, usage=usage, request_id=answer.request_id, status=answer.status)


def _choice(answer: ServerResponse, envelope: Mapping[str, object]) -> Choice:
    choices = envelope.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message = first.get("message")
    if not isinstance(message, dict):
        raise _no_completion(answer)
    return Choice(_first_text(first.get("finish_reason")), message)


def _no_completion(answer: ServerResponse) -> ProviderFault:
    return ProviderFault(
        "no_completion",
        one_line(f"{_status_line(answer.status)} without a chat completion: {parse_error(answer.body).code}"),
        status=answer.status,
        request_id=answer.request_id,
        body=_kept(answer.body.decode("utf-8", "replace")),
    )


def _content(choice: Choice, answer: ServerResponse, usage: Usage) -> str:
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


def _unusable(outcome: str, detail: str, written: str, answer: ServerResponse, usage: Usage) -> BatchFault:
    return BatchFault(
        outcome,
        one_line(detail),
        status=answer.status,
        usage=usage,
        request_id=answer.request_id,
        body=_kept(written),
    )


def parse_usage(value: object) -> Usage:
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
