"""Parses a server's response: a reply with validated rows, or an error that says who is at fault."""

import codecs
import http.client
import json
import re
from collections.abc import Callable, Mapping, Sequence
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
)
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.text import storable
from llm.analysis_answers import parse_rows
from llm.content import is_json_object, text_of
from llm.error_rules import matching_rule
from llm.usage import parse_usage

LONGEST_PAUSE = 3_600.0
MAX_DETAIL = 300
MAX_NAME = 100
MAX_MESSAGE = 1_000
# In lower case: servers write STOP and Stop as well.
COMPLETE = frozenset({"stop", "end_turn"})
INCOMPLETE = {
    "length": "truncated",
    "max_tokens": "truncated",
    "content_filter": "refused",
    "safety": "refused",
}

CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# What a key looks like, complete or masked with asterisks: the server may repeat it.
SECRET = re.compile(r"\b(xai|sk|gsk)-[\w-]{6,}|\bAIza[\w-]{6,}|\S*\*{3}\S*")
# A message about key, credit, model or rate cannot repeat a conversation; others could.
QUOTED = frozenset({401, 402, 403, 404, 429})

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """An HTTP response; header names in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, in the charset of its content type, otherwise UTF-8."""
        named = CHARSET.search(self.headers.get("content-type", ""))
        has_mark = self.body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            return self.body.decode(named[1] if named else "utf-16" if has_mark else "utf-8-sig")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")

    @property
    def request_id(self) -> str | None:
        """The server's id for the call, which its support asks for."""
        return _name(self.headers.get("x-request-id"))


class ErrorBody(NamedTuple):
    """A parsed error body: a code or status word, and a message that may repeat parts of the request."""

    code: str
    message: str


def classify_error(
    answer: ServerResponse, *, secrets: Sequence[str], now: float, quotable: bool = False
) -> CallFailed:
    """Return the CallFailed for a response other than 200; `now` is in seconds since 1970.

    `secrets` are what it never repeats: the key, and the values of headers.

    `quotable` is whether the request carried no conversation, so that its message cannot repeat one.
    """
    error = parse_error(answer.text)
    message = " ".join(error)
    rule = matching_rule(answer.status, message)
    shown = message if quotable or answer.status in QUOTED else error.code
    detail = f"{_status_line(answer.status)}: {shown}"
    if rule.kind is RateLimited:
        return _rate_limited(answer, one_line(detail, *secrets), now)
    return rule.kind(
        rule.outcome, one_line(detail, *secrets), status=answer.status, request_id=answer.request_id
    )


def _rate_limited(answer: ServerResponse, detail: str, now: float) -> RateLimited:
    header = answer.headers.get("retry-after")
    shown = one_line(f"Retry-After {header}, {detail}") if header else detail
    pause = retry_after(header, now)
    return RateLimited(shown, retry_after=pause, status=answer.status, request_id=answer.request_id)


def _status_line(status: int) -> str:
    return f"HTTP {status} {http.client.responses.get(status, '')}".strip()


def parse_error(body: str) -> ErrorBody:
    """Parse xAI's `{code, error}`, OpenAI's `{error: {...}}`, Gemini's `[{error: {...}}]`, or plain text."""
    document = _parsed(body)
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return ErrorBody("", body[:MAX_MESSAGE])
    error = document.get("error")
    if isinstance(error, dict):
        document, error = error, error.get("message")
    code = next(filter(_is_word, (document.get(name) for name in ("code", "status", "type"))), "")
    message = _first_text(error, document.get("message"), document.get("detail"))
    return ErrorBody(code[:MAX_NAME], message[:MAX_MESSAGE])


def _is_word(code: object) -> TypeGuard[str]:
    """Whether it says more than the status, which LiteLLM's `code` only repeats ("400")."""
    return isinstance(code, str) and not code.isdecimal()


def one_line(text: str, *secrets: str) -> str:
    """Return at most 300 printable characters on one line, without the secrets or anything that looks like a key."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "[key]")
    hidden = SECRET.sub("[key]", text)
    printable = "".join(letter if letter.isprintable() else " " for letter in hidden)
    return " ".join(printable.split())[:MAX_DETAIL].strip(" :")


def retry_after(value: str | None, now: float) -> float | None:
    """Parse a Retry-After header (seconds or an HTTP date) to 0 to 3,600 seconds; None for anything else."""
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


def parse_reply(
    answer: ServerResponse, *, count: int, model: str, fields: FieldSet = NO_FIELDS, **quoting: Any
) -> Reply:
    """Parse a 200 response to `count` texts; `model` is the requested one. Otherwise like `parse_completion`."""
    (rows, ignored), envelope = parse_completion(
        answer, model, lambda content: parse_rows(content, count, fields), **quoting
    )
    return Reply(rows=rows, ignored_ids=ignored, **envelope_fields(envelope))


def envelope_fields(envelope: Envelope) -> dict[str, Any]:
    """The envelope's fields as keyword arguments for a subclass."""
    return {each.name: getattr(envelope, each.name) for each in fields(Envelope)}


def parse_completion(
    answer: ServerResponse,
    model: str,
    parse_content: Callable[[str], Parsed],
    *,
    quotable: bool = False,
    secrets: Sequence[str] = (),
) -> tuple[Parsed, Envelope]:
    """Parse a chat completion with `parse_content`; return its result and the call's envelope.

    Raises ProviderFault if the response is not a chat completion, and BatchFault if its content is unusable:
    incomplete, refused, or `parse_content` raises ValueError. `quotable` and `secrets` as for `classify_error`.
    """
    document = _parsed(answer.text)
    completion = _object(document)
    usage = parse_usage(completion.get("usage"))
    choice = _choice(completion)
    if choice is None:
        raise _no_completion(answer, _described(answer, document, quotable), secrets)
    content = _content(choice, answer, usage)
    try:
        parsed = parse_content(content)
    except ValueError as error:
        raise _unusable("malformed", str(error), content, answer, usage) from error
    name = _name(completion.get("model")) or model
    return parsed, Envelope(model=name, usage=usage, request_id=answer.request_id, status=answer.status)


def _choice(completion: Mapping[str, object]) -> Choice | None:
    choices = completion.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message = first.get("message")
    if not isinstance(message, dict):
        return None
    return Choice(_first_text(first.get("finish_reason")).strip(), message)


def _no_completion(answer: ServerResponse, described: str, secrets: Sequence[str]) -> ProviderFault:
    detail = f"{_status_line(answer.status)} without a chat completion: {described}"
    return ProviderFault(
        "no_completion",
        one_line(detail, *secrets),
        status=answer.status,
        request_id=answer.request_id,
        body=_kept(answer.text),
    )


def _described(answer: ServerResponse, document: object, quotable: bool) -> str:
    """What came in place of a completion. Only an answer to the canary is quoted."""
    if not answer.body.strip():
        return "the body is empty"
    error = parse_error(answer.text)
    said = " ".join(error) if quotable else error.code
    if document is None:
        kind = answer.headers.get("content-type", "").partition(";")[0] or "no content type"
        return f"the body is not JSON ({kind}) {said}"
    if isinstance(document, dict) and "choices" in document:
        return "its choices hold no message"
    return f"the body is an error: {said}" if any(error) else "the body is JSON without choices"


def _content(choice: Choice, answer: ServerResponse, usage: Usage) -> str:
    content = text_of(choice.message.get("content"))
    refusal = text_of(choice.message.get("refusal"))
    written = content or refusal
    reason = choice.finish_reason.lower()
    # Servers that give no reason at all have sent everything if what they sent is whole.
    if reason not in COMPLETE and (reason or not is_json_object(content)):
        detail = f"it ended with finish_reason {choice.finish_reason or 'missing'}"
        raise _unusable(INCOMPLETE.get(reason, "unfinished"), detail, written, answer, usage)
    if refusal or not content:
        detail = "the model refused" if refusal else "the message has no content"
        raise _unusable("refused", detail, written, answer, usage)
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


def _parsed(body: str) -> object:
    try:
        return json.loads(body.removeprefix("\ufeff"))
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
