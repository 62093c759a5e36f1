"""What the Batch API refuses about one batch, while every other call works."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from domain.analysis import BatchFault, CallFailed
from llm.completions import ServerResponse, classify_error, one_line, parse_error

UNKNOWN, CLOSED, CHANGED, NO_MODEL = "batch_unknown", "batch_closed", "batch_changed", "batch_model"


class BatchRefused(BatchFault):
    """The Batch API refused something about one batch; `outcome` is UNKNOWN, CLOSED, CHANGED or NO_MODEL.

    `batch_unknown`: no batch has this id. `batch_closed`: it was cancelled and takes no more requests. `batch_changed`:
    it has a request's id with another body. `batch_model`: it does not take this model, nothing of the call was added.
    """


class _Refusal(NamedTuple):
    status: int
    says: re.Pattern[str]
    outcome: str


# The sentences of 400 and 412 were measured on 2026-08-28. That of 403 is not known: what does not speak of
# cancelling is about the key, as elsewhere.
_ANYTHING = re.compile(r"")
_REFUSALS = (
    _Refusal(400, re.compile(r"Model \S{1,100} is not supported for batch\b", re.IGNORECASE), NO_MODEL),
    _Refusal(403, re.compile(r"\bcancel", re.IGNORECASE), CLOSED),
    _Refusal(404, _ANYTHING, UNKNOWN),
    _Refusal(412, _ANYTHING, CHANGED),
)


def classify_refusal(
    answer: ServerResponse, *, secrets: Sequence[str], now: float, quotable: bool
) -> CallFailed:
    """The error that a response about one batch stands for; arguments as for `classify_error`."""
    message = " ".join(parse_error(answer.text))
    for refusal in _REFUSALS:
        found = refusal.says.search(message)
        if answer.status == refusal.status and found:
            detail = one_line(f"HTTP {answer.status}: {message if quotable else found[0]}", *secrets)
            return BatchRefused(refusal.outcome, detail, status=answer.status, request_id=answer.request_id)
    return classify_error(answer, secrets=secrets, now=now, quotable=quotable)
