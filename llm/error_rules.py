"""Which error a response other than 200 stands for, by its status and what it says.

What then happens, such as the pause after a 429, is in `llm/paid_gateway.py`; what becomes of the conversations is
in `worker/outcomes.py`.
"""

import re
from collections.abc import Container
from typing import NamedTuple

from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault, RateLimited

CREDITS = re.compile(
    r"\b(used|spent|out of|no|any|insufficient|exhausted|enough)\b[^.]{0,40}\bcredits?\b"
    r"|\bcredits?\b[^.]{0,40}\b(exhausted|used up|depleted|insufficient|too low)\b"
    r"|\bspend(ing)?[ _-](limit|cap)\b|\binsufficient[ _]quota\b",
    re.IGNORECASE,
)
KEY = re.compile(
    r"\b(incorrect|invalid|wrong|missing|expired|unknown|no)\b.{0,20}\bapi[ _-]?key\b"
    r"|\bapi[ _-]?key\b.{0,40}\b(not|invalid|incorrect|expired|missing|disabled|blocked)\b"
    # LiteLLM without a database answers so to every key except its master key.
    r"|\bno_db_connection\b",
    re.IGNORECASE,
)
# A budget that a gateway keeps. LiteLLM 1.108.7 answers 422 for a key's budget and 429 for a deployment's.
BUDGET = re.compile(
    r"\bbudget\b[^.]{0,20}\b(exceeded|exhausted|spent|used up)\b"
    r"|\b(exceeded|crossed|over|out of)\b[^.]{0,20}\bbudget\b|\bexceeded_?budget\b|\bbudget_exceeded\b",
    re.IGNORECASE,
)
MODEL = re.compile(
    r"\b(unknown|invalid|no such) model\b"
    r"|\bmodel\b.{0,100}\b(does not exist|doesn't exist|not found|not available|no longer|retired)\b",
    re.IGNORECASE,
)
GUIDELINES = re.compile(r"usage guidelines|safety_check", re.IGNORECASE)
SCHEMA = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)

# A field of the request, or its value, that the model does not take: every call has it. xAI's code for any 400, "Client
# specified an invalid argument", says nothing of the kind.
PARAMETER = re.compile(
    r"\bnot support(ed)?\b[^.]{0,60}\b(parameter|field|option|reasoning|temperature)"
    r"|\b(parameter|field|option|argument)\b[^.]{0,60}\b(not|isn't) (supported|allowed|permitted|recognized)\b"
    r"|\b(unsupported|unknown|unrecognized|unexpected) (parameter|field|request argument|value)\b"
    r"|\bunknown name\b|\bextra inputs are not permitted\b|\bunsupported_(parameter|value)\b"
    r"|\b(reasoning_?effort|max_(completion_)?tokens|temperature)\b[^.]{0,60}\b(not|only|must|invalid|unsupported)\b",
    re.IGNORECASE,
)


class SchemaRefused(BatchFault):
    """The server does not support `response_format: json_schema`, or rejects our schema."""

    said: str = ""
    """The server's own sentence about it, without any word of a conversation."""


class Rule(NamedTuple):
    """Maps an error response, by its status and message, to a kind of CallFailed and its outcome."""

    statuses: Container[int]
    says: re.Pattern[str] | None
    kind: type[CallFailed]
    outcome: str


# The first matching rule applies. Statuses are those of docs.x.ai (debugging); public reports add 400 for a wrong
# key and an unknown model, 403 for missing credits and for content against the guidelines.
RULES = (
    Rule({403}, GUIDELINES, BatchFault, "refused"),
    Rule({402, 403, 429}, CREDITS, Denied, "credits"),
    Rule({400, 402, 403, 422, 429}, BUDGET, Denied, "credits"),
    Rule({402}, None, Denied, "credits"),
    Rule({429}, None, RateLimited, "rate_limited"),
    Rule({400}, KEY, Denied, "credentials"),
    Rule({401, 403}, None, Denied, "credentials"),
    Rule({400}, MODEL, Denied, "model"),
    Rule({404}, None, Denied, "model"),
    Rule({400, 422}, SCHEMA, SchemaRefused, "rejected"),
    Rule({400, 422}, PARAMETER, Denied, "parameter"),
    Rule({400, 413, 422}, None, BatchFault, "rejected"),
    Rule({408, 425}, None, ProviderFault, "server_error"),
    Rule(range(500, 1000), None, ProviderFault, "server_error"),
    Rule(range(200, 300), None, ProviderFault, "no_completion"),
    # 3xx, 405, 410, 415 and the rest: the next call would get the same answer, until a probe succeeds.
    Rule(range(1000), None, Denied, "rejected"),
)


def matching_rule(status: int, message: str) -> Rule:
    """Return the first rule for this status whose pattern, if it has one, is found in the message."""
    return next(
        rule for rule in RULES if status in rule.statuses and (not rule.says or rule.says.search(message))
    )
