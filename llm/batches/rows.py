"""The requests and the rows of a batch. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault
from llm.batches.limits import CALL_BYTES
from llm.completions import ServerResponse
from llm.error_rules import matching_rule
from llm.prompts import json_text

WRAPPER = "chat_get_completion"
"""The name under which a body of chat completions travels, there and back."""
NO_ANSWER = "unknown"
"""What the server says in place of an answer that it does not have."""
PASSING = re.compile(
    r"\btime[ds]?[ -]?out\b|\bdeadline\b|\boverloaded\b|\bunavailable\b|\binternal (server )?error\b"
    r"|\brate[ -]limit|\btoo many requests\b",
    re.IGNORECASE,
)
"""What the text of a failed row speaks of where the provider is at fault and not the request."""

LIKELY = (429, 400)
"""What a text would have had as its status where it speaks of credit, key, model or a parameter."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A request of a batch. The same `id` may be added twice to a batch only with the same body."""

    id: str
    body: Mapping[str, object]
    """A body of chat completions."""

    @property
    def wrapped(self) -> Mapping[str, object]:
        """As the Batch API takes it."""
        return {"batch_request_id": self.id, "batch_request": {WRAPPER: self.body}}


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What came of a request: a chat completion, or why there is none. Rows come in any order, and may come twice."""

    id: str
    completion: Mapping[str, object] | None = None
    error: str | None = None
    """A bare text without code, status or usage. It may repeat what was sent, so it is not for the log."""

    @property
    def response(self) -> ServerResponse:
        """The completion as if it had been answered live, for `llm/completions.py` to parse."""
        return ServerResponse(200, {}, json_text(self.completion).encode("utf-8", "replace"))

    @property
    def is_cancelled(self) -> bool:
        """Whether the request was cancelled before it was answered."""
        return self.error is not None and self.error.strip().casefold().startswith("batch cancelled")

    @property
    def is_untold(self) -> bool:
        """Whether nothing says what became of it, so that it may have been charged."""
        return self.error == NO_ANSWER

    @property
    def fault(self) -> CallFailed:
        """The error as that of a call, by what the text speaks of, since it has no code."""
        detail = "a row of a batch failed"
        if self.is_cancelled:
            return ProviderFault("cancelled", "the batch was cancelled before its answer")
        if PASSING.search(self.error or ""):
            return ProviderFault("server_error", detail)
        rules = [matching_rule(status, self.error or "") for status in LIKELY]
        denied = next((rule.outcome for rule in rules if rule.kind is Denied), None)
        return BatchFault("rejected", detail) if denied is None else Denied(denied, detail)


def add_body(requests: Sequence[BatchRequest]) -> bytes:
    """The body of the call that adds these requests."""
    return json_text({"batch_requests": [each.wrapped for each in requests]}).encode("utf-8", "replace")


def in_calls(requests: Iterable[BatchRequest], most: int = CALL_BYTES) -> Iterator[Sequence[BatchRequest]]:
    """The requests in calls of at most so many bytes, in order. One that is longer gets a call of its own."""
    call: list[BatchRequest] = []
    empty = size = len(add_body([]))
    for each in requests:
        alone = len(add_body([each]))
        longer = size + 1 + alone - empty  # with a comma before it
        if call and longer > most:
            yield call
            call = []
        size = longer if call else alone
        call.append(each)
    if call:
        yield call


def parse_row(written: object) -> BatchRow | None:
    """Parse a row; None if it does not say whose it is. It always has a completion or an error, whatever was sent."""
    row = written if isinstance(written, dict) else {}
    number, result = row.get("batch_request_id"), row.get("batch_result")
    if not isinstance(number, str):
        return None
    held = result if isinstance(result, dict) else {}
    error, response = held.get("error"), held.get("response")
    completion = _completion(response)
    if completion is not None:
        return BatchRow(number, completion)
    return BatchRow(number, error=error if isinstance(error, str) and error else NO_ANSWER)


def _completion(response: object) -> Mapping[str, object] | None:
    """The completion under the name of its kind. `responses` comes back under that of chat completions, too."""
    kinds = response.values() if isinstance(response, dict) else ()
    return next((each for each in kinds if isinstance(each, dict)), None)
